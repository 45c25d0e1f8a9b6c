"""A limited node gets what its quota grants, whichever strategy chooses, and nobody else's is wasted on the way."""

import random
from dataclasses import replace

import pytest

from tests.balance import fleet
from tests.balance.virtual import REQUEST, World, steady, world
from trimtab.balance import Connectivity, Node, Outcome
from trimtab.balance.candidates import Level
from trimtab.balance.fair_shares import FairShares
from trimtab.balance.quota import Rations
from trimtab.balance.success import odds
from trimtab.model import Assignment, Health, Locality, LocalityEndpoints, Policy

SLOW_START = 3600.0


def limited(count: int, ramp: float) -> tuple[list[Node], list[Node]]:
    """Ten full nodes, and `count` that ramp."""
    nodes = fleet.nodes(10 + count)
    for node in nodes[10:]:
        node.ramp = ramp
        node.reweigh()
    return nodes[:10], nodes[10:]


def deal(rations: Rations, nodes: list[Node]) -> None:
    """To nodes that all take calls."""
    rations.deal(nodes, lambda: FairShares(nodes, [Level(nodes)], {}))


def test_a_node_without_credit_is_never_the_best() -> None:
    full, ramping = limited(2, 0.5)
    rations = Rations(random.Random(1))
    deal(rations, [*full, *ramping])
    rations.hold(ramping, anybody_else=True)
    assert all(node.score == float("inf") for node in ramping)
    turns = 0
    while not rations.open:
        turn = rations.count(ramping)
        turns += 1
    # Two nodes with 1/22 of the picks each, and a head start by chance.
    assert turns <= 22
    node = next(iter(rations.open))
    assert node.score == 0.0
    assert rations.take(node, turn)
    assert not rations.take(node, turn)
    node.rescore()
    assert node.score == float("inf")


def test_where_everybody_is_limited_nobody_is_held_back() -> None:
    nodes = fleet.nodes(3)
    for node in nodes:
        node.proven = False
    rations = Rations(random.Random(1))
    deal(rations, nodes)
    rations.hold(nodes, anybody_else=True)
    assert {node.score for node in nodes} == {float("inf")}
    rations.hold(nodes, anybody_else=False)
    assert {node.score for node in nodes} == {0.0}


@pytest.mark.parametrize("strategy", ["p2c", "least_request", "round_robin", "weighted_round_robin", "random"])
@pytest.mark.parametrize("count", [1, 10])
@pytest.mark.parametrize("ramp", [0.1, 0.5, 0.8])
def test_newcomers_get_what_the_ramp_says(strategy: str, count: int, ramp: float) -> None:
    shop, _ = world(10, Policy(strategy, slow_start_s=SLOW_START, slow_start_min=ramp))
    shop.run(1, 200, steady(0.01))
    newcomers = shop.assign(*fleet.endpoints(10 + count))
    counts = shop.run(60, 200, steady(0.01))
    assert {node.ramp for node in newcomers} == {ramp}
    fair = count * ramp / (10 + count * ramp)
    assert sum(counts[node] for node in newcomers) / counts.total() == pytest.approx(fair, rel=0.1)


@pytest.mark.parametrize("others", ["draining", "unreachable", "of a lower priority"])
def test_a_newcomer_shares_calls_with_those_only_that_take_any(others: str) -> None:
    idle = fleet.endpoints(30, Health.DRAINING if others == "draining" else Health.HEALTHY, start=100)

    def groups(count: int) -> tuple[LocalityEndpoints, ...]:
        found = (LocalityEndpoints(Locality(), fleet.endpoints(count)),)
        return (*found, LocalityEndpoints(Locality("", "x"), idle, priority=int(others == "of a lower priority")))

    shop = World(Policy(slow_start_s=SLOW_START, slow_start_min=0.3, zone="off"))
    opened = shop.take_over(Assignment("shop", groups(10), clock_offset_s=0.0))
    if others == "unreachable":
        lost = [node for node in opened if node.endpoint in idle]
        shop.balancer.connectivities_changed(dict.fromkeys(lost, Connectivity.TRANSIENT_FAILURE))
    shop.run(5, 200, steady(0.01))
    (newcomer,) = shop.take_over(Assignment("shop", groups(11), clock_offset_s=0.0))
    shop.run(5, 200, steady(0.01))
    counts = shop.run(60, 200, steady(0.01))
    assert counts[newcomer] / counts.total() == pytest.approx(0.3 / 10.3, rel=0.1)


@pytest.mark.parametrize("home", ["a", ""])
def test_in_its_zone_a_newcomer_has_what_the_ramp_says(home: str) -> None:
    def zones(count: int) -> Assignment:
        endpoints = fleet.endpoints(count)
        groups = (
            LocalityEndpoints(Locality("", zone), endpoints[i::3], 9_998 if zone == home else 1)
            for i, zone in enumerate("abc")
        )
        return Assignment("shop", tuple(groups), client_zone=home, clock_offset_s=0.0)

    shop = World(Policy(slow_start_s=SLOW_START, slow_start_min=0.3))
    known = shop.take_over(zones(12))
    shop.run(5, 200, steady(0.01))
    (newcomer,) = shop.take_over(zones(13))
    shop.run(5, 200, steady(0.01))
    counts = shop.run(120, 200, steady(0.01))
    neighbours = sum(counts[node] for node in known[:4]) / 4
    assert counts[newcomer] / neighbours == pytest.approx(0.3, rel=0.1)


def test_a_ramp_is_kept_up_to_date_from_the_first_connection_on() -> None:
    shop = World(Policy(slow_start_s=10.0))
    old, new = (
        replace(endpoint, ready_since=at) for endpoint, at in zip(fleet.endpoints(2), (0.0, 999.0), strict=True)
    )
    _, newcomer = shop.assign(old, new)
    ramp = newcomer.ramp
    shop.now += 0.2
    assert shop.balancer.pick(REQUEST) is not None
    assert ramp < newcomer.ramp < 1.0


def test_a_key_whose_home_is_held_back_goes_on_to_the_next_node() -> None:
    shop, _ = world(4, Policy("consistent_hash", slow_start_s=SLOW_START))
    shop.run(1, 200, steady(0.01))
    newcomers = shop.assign(*fleet.endpoints(8))
    picks = [shop.balancer.pick(REQUEST) for _ in range(200)]
    for pick in picks:
        assert pick is not None
        pick.done(Outcome("OK"))
    assert sum(pick.node in newcomers for pick in picks if pick is not None) <= 8


def test_who_is_proven_while_its_pick_is_taken_is_not_held_back_for_good() -> None:
    full, newcomers = limited(1, 1.0)
    node = newcomers[0]
    node.proven = False
    rations = Rations(random.Random(1))
    deal(rations, [*full, node])
    # One thread takes the node's pick, and another hears its first answer before the first one says that it is held.
    node.proven, node.quota, node.held = True, None, True
    node.rescore()
    deal(rations, [*full, node])
    assert node.score == 0.0


def test_a_first_answer_may_come_while_quotas_are_dealt(monkeypatch: pytest.MonkeyPatch) -> None:
    full, newcomers = limited(1, 1.0)
    node = newcomers[0]
    node.proven = False

    def odds_while_another_thread_hears_the_answer(success: float) -> float:
        node.proven = True
        node.unlimit()
        return odds(success)

    monkeypatch.setattr("trimtab.balance.quota.odds", odds_while_another_thread_hears_the_answer)
    rations = Rations(random.Random(1))
    deal(rations, [*full, node])
    deal(rations, [*full, node])
    assert node.quota is None
    assert node.score == 0.0


@pytest.mark.parametrize("away", [Connectivity.TRANSIENT_FAILURE, None])
def test_what_was_granted_to_who_may_not_take_calls_is_lost(away: Connectivity | None) -> None:
    shop, _ = world(10, Policy("least_request", slow_start_s=SLOW_START))
    shop.run(1, 200, steady(0.01))
    (newcomer,) = shop.assign(*fleet.endpoints(11))
    while newcomer.held:
        pick = shop.balancer.pick(REQUEST)
        assert pick is not None
        assert pick.node is not newcomer
        pick.done(Outcome("OK"))
    if away is None:
        shop.assign(*fleet.endpoints(10))
    else:
        shop.balancer.connectivity_changed(newcomer, away)
    assert newcomer.score == float("inf")
    if away is not None:
        shop.balancer.connectivity_changed(newcomer, Connectivity.READY)
        assert shop.run(60, 200, steady(0.01))[newcomer] > 0
