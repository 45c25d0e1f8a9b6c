"""What each priority gets when the first ones are not healthy enough: Envoy's documented tables, and the balancer that follows them."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.balance import fleet
from trimtab.balance import Balancer, Connectivity, Request
from trimtab.balance.priorities import Standing, spread
from trimtab.model import Endpoint, Health

REQUEST = Request("/shop.Shop/Buy")

# Healthy endpoints of 100 per priority, and the percentages of calls: Envoy docs, "Priority levels".
TABLE = [
    ([100, 100], [100, 0]),
    ([72, 72], [100, 0]),
    ([71, 71], [99, 1]),
    ([50, 50], [70, 30]),
    ([25, 100], [35, 65]),
    ([25, 25], [50, 50]),
    ([0, 100], [0, 100]),
    ([0, 0], [50, 50]),
    ([100, 100, 100], [100, 0, 0]),
    ([72, 72, 100], [100, 0, 0]),
    ([71, 71, 100], [99, 1, 0]),
    ([50, 50, 100], [70, 30, 0]),
    ([25, 100, 100], [35, 65, 0]),
    ([25, 25, 100], [35, 35, 30]),
]


@pytest.mark.parametrize(("healthy", "loads"), TABLE)
def test_loads_are_envoys(healthy: list[int], loads: list[int]) -> None:
    assert [part.load for part in spread([Standing(count, 100) for count in healthy])] == loads


@pytest.mark.parametrize(
    ("healthy", "panics"),
    [
        # Envoy docs, "Panic threshold": none while the priorities together can take everything.
        ([72, 25], [False, False]),
        ([49, 49], [False, False]),
        ([60, 5], [False, True]),
        ([49, 10], [True, True]),
        ([25, 50], [False, False]),
        ([25, 46], [True, True]),
        ([0, 50], [True, False]),
    ],
)
def test_panic_is_envoys(healthy: list[int], panics: list[bool]) -> None:
    assert [part.panic for part in spread([Standing(count, 100) for count in healthy])] == panics


def test_in_panic_everywhere_calls_go_by_the_number_of_endpoints() -> None:
    assert [part.load for part in spread([Standing(10, 100), Standing(10, 300)])] == [25, 75]


standings = st.builds(
    lambda healthy, more: Standing(healthy, healthy + more), st.integers(0, 1000), st.integers(0, 1000)
)


@given(st.lists(standings, min_size=1, max_size=5).filter(lambda all_of: any(s.total for s in all_of)))
def test_loads_add_up(all_of: list[Standing]) -> None:
    parts = spread(all_of)
    assert sum(part.load for part in parts) == 100
    assert all(part.load == 0 for part, standing in zip(parts, all_of, strict=True) if not standing.total)


def lose(balancer: Balancer, priority: int, count: int) -> None:
    nodes = [node for node in balancer.nodes if node.priority == priority]
    for node in nodes[:count]:
        balancer.connectivity_changed(node, Connectivity.TRANSIENT_FAILURE)


def shares(balancer: Balancer, calls: int = 4000) -> dict[int, float]:
    counts: Counter[int] = Counter()
    for _ in range(calls):
        pick = balancer.pick(REQUEST)
        assert pick is not None
        counts[pick.node.priority] += 1
        pick.abandon()
    return {priority: count / calls for priority, count in counts.items()}


@pytest.mark.parametrize(("lost", "first"), [(0, 1.0), (2, 1.0), (5, 0.7), (8, 0.28), (10, 0.0)])
def test_calls_spill_as_endpoints_are_lost(lost: int, first: float) -> None:
    balancer = fleet.balancer()
    fleet.update(balancer, fleet.endpoints(10), fleet.endpoints(10, start=10))
    lose(balancer, 0, lost)
    assert shares(balancer).get(0, 0.0) == pytest.approx(first, abs=0.03)


def test_endpoints_that_still_connect_make_nobody_less_healthy() -> None:
    balancer = fleet.balancer()
    fleet.update(balancer, fleet.endpoints(5), fleet.endpoints(5, start=50))
    scaled = balancer.update(fleet.assignment(fleet.endpoints(20), fleet.endpoints(5, start=50)))
    assert shares(balancer) == {0: 1.0}
    for node in scaled.opened:
        balancer.connectivity_changed(node, Connectivity.TRANSIENT_FAILURE)
    assert shares(balancer)[0] == pytest.approx(0.35, abs=0.03)


def test_endpoints_that_are_no_longer_ready_count() -> None:
    balancer = fleet.balancer()
    first = (*fleet.endpoints(5), *fleet.endpoints(5, Health.UNHEALTHY, start=5))
    fleet.update(balancer, first, fleet.endpoints(10, start=50))
    assert shares(balancer)[0] == pytest.approx(0.7, abs=0.03)


def test_draining_endpoints_are_no_part_of_it() -> None:
    balancer = fleet.balancer()
    first = (*fleet.endpoints(3), *fleet.endpoints(7, Health.DRAINING, start=3))
    fleet.update(balancer, first, fleet.endpoints(10, start=50))
    assert shares(balancer) == {0: 1.0}


def test_in_panic_ejected_endpoints_help() -> None:
    balancer = fleet.balancer()
    fleet.update(balancer, fleet.endpoints(5))
    ejected, *others = balancer.nodes
    ejected.ejected_until = 100.0
    balancer.refresh()
    assert ejected.endpoint not in used(balancer)
    for node in others[:3]:
        balancer.connectivity_changed(node, Connectivity.TRANSIENT_FAILURE)
    assert used(balancer) == {ejected.endpoint, others[3].endpoint}


def test_a_priority_of_which_nobody_can_be_reached_gets_nothing() -> None:
    balancer = fleet.balancer()
    fleet.update(balancer, fleet.endpoints(3), fleet.endpoints(200, start=20))
    lose(balancer, 0, 2)
    lose(balancer, 1, 200)
    assert shares(balancer) == {0: 1.0}


def used(balancer: Balancer) -> set[Endpoint]:
    endpoints: set[Endpoint] = set()
    for _ in range(200):
        pick = balancer.pick(REQUEST)
        assert pick is not None
        endpoints.add(pick.node.endpoint)
        pick.abandon()
    return endpoints
