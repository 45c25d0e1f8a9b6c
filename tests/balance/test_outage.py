"""Most nodes down at once, and how they come back: together."""

import pytest

from tests.balance.virtual import Answer, steady, world
from trimtab.balance import Connectivity, Node, Outcome, Pick, strategies
from trimtab.balance.outage import Outage
from trimtab.model import Policy

every_strategy = pytest.mark.parametrize("name", sorted(set(strategies()) - {"consistent_hash"}))
"""Without a key all calls of one hash go to one node."""
STEADY = steady(0.05)


def refusing(*nodes: Node) -> Answer:
    return lambda called: (0.001, "UNAVAILABLE") if called in nodes else (0.05, "OK")


@every_strategy
@pytest.mark.parametrize(("count", "rate"), [(12, 100.0), (100, 100.0), (100, 1000.0)])
def test_the_first_that_answers_does_not_take_what_the_others_are_there_for(name: str, count: int, rate: float) -> None:
    shop, nodes = world(count, Policy(strategy=name))
    shop.run(10.0, rate, STEADY)
    shop.run(30.0, rate, refusing(*nodes))
    fair = 5.0 * rate / count
    for _ in range(4):
        counts = shop.run(5.0, rate, STEADY)
        assert max(counts.values()) < 3.0 * fair
    assert min(shop.run(20.0, rate, STEADY)[node] for node in nodes) > 0.2 * 4 * fair


@every_strategy
def test_who_still_fails_is_down_again_after_two_calls_each(name: str) -> None:
    shop, nodes = world(12, Policy(strategy=name))
    shop.run(10.0, 100.0, STEADY)
    shop.run(30.0, 100.0, refusing(*nodes))
    counts = shop.run(20.0, 100.0, refusing(*nodes[:5]))
    assert sum(counts[node] for node in nodes[:5]) < 0.03 * counts.total()


def test_where_less_than_half_are_down_each_comes_back_by_itself() -> None:
    shop, nodes = world(12)
    shop.run(10.0, 30.0, STEADY)
    shop.run(30.0, 30.0, refusing(*nodes[:6]))
    assert all(node.success < 0.1 for node in nodes[:6])
    Pick(nodes[0], shop.now).done(Outcome("OK"))
    shop.run(0.5, 30.0, refusing(*nodes[1:6]))
    assert all(node.success < 0.1 for node in nodes[1:6])


def test_who_cannot_be_reached_does_not_count() -> None:
    shop, nodes = world(12)
    shop.run(10.0, 30.0, STEADY)
    shop.balancer.connectivities_changed(dict.fromkeys(nodes[6:], Connectivity.TRANSIENT_FAILURE))
    shop.run(60.0, 30.0, refusing(*nodes[:5]))
    assert all(node.success < 0.1 for node in nodes[:5])
    Pick(nodes[0], shop.now).done(Outcome("OK"))
    shop.run(0.3, 30.0, STEADY)
    assert all(node.success > 0.9 for node in nodes[:5])


def test_a_failure_after_the_answer_is_not_excused() -> None:
    shop, nodes = world(3)
    shop.run(10.0, 30.0, STEADY)
    shop.run(30.0, 30.0, refusing(*nodes))
    outage = Outage()
    assert outage.look(nodes) == ()
    shop.now += 1.0
    Pick(nodes[0], shop.now).done(Outcome("OK"))
    Pick(nodes[0], shop.now).done(Outcome("UNAVAILABLE"))
    run = nodes[0].failure_run
    assert set(outage.look(nodes)) == set(nodes)
    assert [node.failure_run for node in nodes] == [run, None, None]
