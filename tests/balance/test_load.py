"""Latency as load: peaks count at once, and are forgotten whether anybody calls or not."""

from math import exp

import pytest

from tests.balance.virtual import REQUEST, Answer, World, steady, world
from trimtab.balance import Node, Outcome
from trimtab.model import Policy

DECAY_S = 10.0
QUICK_S = 0.05


def by_latency(strategy: str = "p2c") -> tuple[World, tuple[Node, ...]]:
    return world(10, Policy(strategy, load="peak_ewma", peak_ewma_decay_s=DECAY_S))


def one_slow_answer(takes_s: float) -> Answer:
    """The first call takes so long, all others are quick."""
    times = [takes_s]
    return lambda node: (times.pop() if times else QUICK_S, "OK")


def answered(shop: World, takes_s: float) -> Node:
    """The node of one call that took so long."""
    pick = shop.balancer.pick(REQUEST)
    assert pick is not None
    shop.now += takes_s
    pick.done(Outcome("OK"))
    return pick.node


def test_a_peak_counts_at_once() -> None:
    shop, _ = by_latency()
    node = answered(shop, 5.0)
    assert node.latency_s == pytest.approx(5.0)
    assert node.score == pytest.approx(5.0)


def test_a_peak_is_forgotten_without_calls() -> None:
    shop, _ = by_latency()
    node = answered(shop, 5.0)
    for _ in range(100):
        shop.now += DECAY_S / 100
        shop.balancer.refresh()
    assert node.latency_s == pytest.approx(5.0 * exp(-1), rel=1e-6)
    assert node.score == pytest.approx(node.latency_s)


def test_nothing_is_forgotten_while_a_call_hangs() -> None:
    shop, nodes = by_latency()
    node = answered(shop, 1.0)
    # Whoever was never called is preferred: all others are, and this one gets the call that follows.
    held = [shop.balancer.pick(REQUEST) for _ in range(200)]
    assert all(other.in_flight for other in nodes)
    shop.now += 5 * DECAY_S
    shop.balancer.refresh()
    assert node.latency_s == pytest.approx(1.0)
    assert len(held) == sum(other.in_flight for other in nodes)


@pytest.mark.parametrize("strategy", ["p2c", "least_request"])
def test_one_slow_answer_keeps_calls_away_for_a_while_and_not_for_good(strategy: str) -> None:
    shop, nodes = by_latency(strategy)
    shop.run(5, 100, steady(QUICK_S))
    shop.run(6, 100, one_slow_answer(5.0))
    slow = max(nodes, key=lambda node: node.latency_s)
    assert slow.latency_s > 3.0
    soon = shop.run(5, 100, steady(QUICK_S))
    assert soon[slow] / soon.total() < 0.02
    shop.run(12 * DECAY_S, 100, steady(QUICK_S))
    later = shop.run(20, 100, steady(QUICK_S))
    assert later[slow] / later.total() > 0.05


def test_latencies_are_looked_after_as_soon_as_they_decay() -> None:
    shop, _ = by_latency()
    node = answered(shop, 5.0)
    shop.balancer.refresh()
    known = node.latency_s
    shop.now += 0.15
    # The pick that notices that it is due does it.
    pick = shop.balancer.pick(REQUEST)
    assert pick is not None
    assert pick.node is not node
    assert node.latency_s < known
