"""Parts of large fleets: how many endpoints, how evenly, and what changes when endpoints or clients come and go."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.balance import fleet
from trimtab.balance import Balancer, Changes, Connectivity, Node, Pick, Request, strategies
from trimtab.balance.aperture import Aperture
from trimtab.model import Assignment, Endpoint, Health, Locality, LocalityEndpoints, Policy, Seat, Subset

HUNDRED = fleet.endpoints(100)
AUTO = Policy()


def anybody(endpoint: Endpoint) -> bool:
    return True


def chosen(
    endpoints: Sequence[Endpoint], seat: Seat | None, policy: Policy = AUTO, client: str = "client"
) -> set[Endpoint]:
    return of(fleet.assignment(endpoints), seat, policy, client)


def of(assignment: Assignment, seat: Seat | None, policy: Policy = AUTO, client: str = "client") -> set[Endpoint]:
    aperture = Aperture(client)
    aperture.seat = seat
    return {endpoint for _, endpoint in aperture.choose(assignment, policy, anybody)}


def zones(*sizes: int, weights: Sequence[int] = ()) -> Assignment:
    groups, start = [], 0
    for index, size in enumerate(sizes):
        locality = Locality("eu", f"eu-{'abc'[index]}")
        weight = weights[index] if weights else size
        groups.append(LocalityEndpoints(locality, fleet.endpoints(size, start=start), weight))
        start += size
    return Assignment("payments.prod:8080", tuple(groups))


@pytest.mark.parametrize(("clients", "used"), [(10, 100), (20, 50), (50, 20), (100, 10), (125, 8), (5000, 8)])
def test_so_many_endpoints_that_each_is_shared_by_ten_clients_but_never_too_few(clients: int, used: int) -> None:
    assert len(chosen(HUNDRED, Seat(3, clients))) == used


@pytest.mark.parametrize(
    ("endpoints", "seat", "policy", "why"),
    [
        (16, Seat(0, 1000), AUTO, "16 of 16 endpoints: a fleet this small is used whole"),
        (100, None, AUTO, "100 of 100 endpoints: the control plane gave this client no seat"),
        (100, Seat(0, 1000), Policy(subset=Subset(mode="off")), "100 of 100 endpoints: policy.subset is off"),
        (100, Seat(0, 4), AUTO, "100 of 100 endpoints: 4 clients are few for them"),
        (100, Seat(0, 50), AUTO, "20 of 100 endpoints: 10 clients are to share an endpoint, and there are 50"),
        (200, Seat(0, 4), AUTO, "100 of 200 endpoints: max_connections is 100"),
        (
            200,
            None,
            AUTO,
            "100 of 200 endpoints: max_connections is 100, and the control plane gave this client no seat",
        ),
    ],
)
def test_it_says_why(endpoints: int, seat: Seat | None, policy: Policy, why: str) -> None:
    aperture = Aperture("client")
    aperture.seat = seat
    aperture.choose(fleet.assignment(fleet.endpoints(endpoints)), policy, anybody)
    assert str(aperture.part) == why


@given(st.integers(20, 400), st.integers(17, 300))
def test_seats_without_gaps_spread_clients_evenly_however_many(clients: int, size: int) -> None:
    endpoints = fleet.endpoints(size)
    policy = replace(AUTO, max_connections=1000)
    sharing = Counter(e for index in range(clients) for e in chosen(endpoints, Seat(index, clients), policy))
    mean = sharing.total() / size
    # Multiples of the golden ratio: a stretch holds their average number, give or take less than three.
    assert max(abs(sharing[endpoint] - mean) for endpoint in endpoints) <= 3


@given(st.integers(0, 99), st.integers(0, 99))
def test_one_endpoint_more_or_less_moves_a_stretch_by_one(index: int, gone: int) -> None:
    left = (*HUNDRED[:gone], *HUNDRED[gone + 1 :])
    before, after = chosen(HUNDRED, Seat(index, 100)), chosen(left, Seat(index, 100))
    assert len(after - before) <= 2
    assert len(before - after) <= 2


def test_more_clients_take_from_the_end_of_a_stretch_only() -> None:
    assert chosen(HUNDRED, Seat(7, 60)) > chosen(HUNDRED, Seat(7, 66)) > chosen(HUNDRED, Seat(7, 80))


@pytest.mark.parametrize(
    ("weights", "used"), [((60, 30, 30), (6, 3, 3)), ((5000, 2500, 2500), (6, 3, 3)), ((9998, 1, 1), (12, 6, 6))]
)
def test_zones_have_the_same_part_as_large_as_the_one_with_most_calls_for_its_size_needs(
    weights: Sequence[int], used: Sequence[int]
) -> None:
    assignment = zones(60, 30, 30, weights=weights)
    part = of(assignment, Seat(5, 100))
    assert tuple(len(part.intersection(group.endpoints)) for group in assignment.localities) == used
    without = of(assignment, Seat(5, 100), Policy(zone="off"))
    assert len(without) == 12, "whoever is not to prefer a zone needs no more of it"


@pytest.mark.parametrize("strategy", sorted(strategies()))
def test_only_strategies_that_compare_loads_use_parts(strategy: str) -> None:
    balancer = fleet.balancer(Policy(strategy))
    balancer.seated(Seat(3, 100))
    fleet.update(balancer, HUNDRED)
    assert len(balancer.nodes) == (10 if strategy in ("p2c", "least_request") else 100)
    if strategy == "consistent_hash":
        assert str(balancer.part) == "100 of 100 endpoints: the strategy does not compare loads"


def test_endpoints_that_are_not_admitted_are_no_part_of_the_fleet() -> None:
    aperture = Aperture("client")
    aperture.seat = Seat(0, 100)
    admitted = set(HUNDRED[:50])
    part = aperture.choose(fleet.assignment(HUNDRED), AUTO, admitted.__contains__)
    assert len(part) == 8
    assert admitted.issuperset(endpoint for _, endpoint in part)


def test_every_priority_has_a_part_of_its_own_and_draining_endpoints_have_none() -> None:
    draining = fleet.endpoints(20, Health.DRAINING, start=300)
    second = fleet.endpoints(40, start=200)
    part = of(fleet.assignment((*HUNDRED, *draining), second), Seat(2, 100))
    assert len(part.intersection(HUNDRED)) == 10
    assert len(part.intersection(second)) == 8
    assert len(part) == 18


def test_draining_endpoints_are_used_where_there_are_no_others() -> None:
    assert len(chosen(fleet.endpoints(100, Health.DRAINING), Seat(2, 100))) == 10


def test_beyond_max_connections_it_is_a_stretch_too() -> None:
    endpoints = fleet.endpoints(1000)
    sharing = Counter(e for index in range(20) for e in chosen(endpoints, Seat(index, 20), client=f"client-{index}"))
    assert set(sharing.values()) <= {1, 2, 3}
    assert sharing.total() == 2000


def busy(calls: int) -> list[Node]:
    """One node with so many calls in flight."""
    node = Node(HUNDRED[0])
    node.outstanding = {Pick(node, 0.0) for _ in range(calls)}
    return [node]


def test_who_keeps_the_fleet_busy_alone_uses_all_of_it_and_comes_back() -> None:
    now = 0.0
    aperture = Aperture("client")
    aperture.seat = Seat(0, 100)
    assignment = fleet.assignment(HUNDRED)
    aperture.choose(assignment, AUTO, anybody)
    assert not aperture.measure(busy(80), now)
    assert not aperture.measure(busy(80), now := now + 1.0), "a moment is no trend"
    assert aperture.measure(busy(80), now := now + 10.0)
    assert len(aperture.choose(assignment, AUTO, anybody)) == 100
    assert aperture.part.why == "this client keeps them busy by itself"
    assert not aperture.measure(busy(40), now := now + 60.0), "between the thresholds it stays as it is"
    assert aperture.measure(busy(5), now := now + 60.0)
    assert len(aperture.choose(assignment, AUTO, anybody)) == 10


def test_who_loses_more_than_half_of_its_part_uses_the_others_until_it_is_back() -> None:
    balancer = fleet.balancer()
    fleet.update(balancer, HUNDRED)
    balancer.seated(Seat(3, 100))
    part = list(balancer.nodes)
    for node in part[:5]:
        balancer.connectivity_changed(node, Connectivity.TRANSIENT_FAILURE)
    assert not balancer.refresh(), "half of it will do"
    balancer.connectivity_changed(part[5], Connectivity.TRANSIENT_FAILURE)
    assert len(balancer.refresh().opened) == 90
    assert balancer.part.why == "of this client's part too many cannot be reached"
    for node in part[:3]:
        balancer.connectivity_changed(node, Connectivity.READY)
        assert not balancer.refresh(), "not at once: it must not go back and forth"
    balancer.connectivity_changed(part[3], Connectivity.READY)
    assert len(balancer.refresh().closed) == 90
    assert set(balancer.nodes) == set(part)


def test_a_balancer_takes_its_seat_and_lets_go_of_the_rest() -> None:
    balancer = fleet.balancer()
    fleet.update(balancer, HUNDRED)
    changes = balancer.seated(Seat(3, 100))
    assert (len(changes.opened), len(changes.closed), len(balancer.nodes)) == (0, 90, 10)
    assert balancer.seated(Seat(3, 100)) == Changes()
    assert len(balancer.seated(None).opened) == 90


def test_a_busy_balancer_widens_when_it_is_refreshed() -> None:
    clock = [0.0]
    balancer = Balancer(AUTO, client_id="test", rng=random.Random(1), clock=lambda: clock[0])
    fleet.update(balancer, HUNDRED)
    assert len(balancer.seated(Seat(3, 100)).closed) == 90
    for _ in range(90):
        assert balancer.pick(Request("/shop.Shop/Buy")) is not None
    balancer.refresh()
    clock[0] = 20.0
    assert len(balancer.refresh().opened) == 90
