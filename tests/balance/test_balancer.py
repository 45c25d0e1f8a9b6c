import random

import pytest

from tests.balance import fleet
from trimtab.balance import Balancer, Connectivity, Outcome, Request
from trimtab.errors import PolicyError, TooManyRequests
from trimtab.model import Endpoint, Health, Policy

REQUEST = Request("/shop.Shop/Buy")
OK = Outcome("OK")


def picked(balancer: Balancer, count: int = 200) -> set[str]:
    """Addresses that `count` calls went to."""
    addresses = set()
    for _ in range(count):
        pick = balancer.pick(REQUEST)
        assert pick is not None
        addresses.add(pick.node.endpoint.address)
        pick.done(OK)
    return addresses


def addresses(endpoints: tuple[Endpoint, ...]) -> set[str]:
    return {endpoint.address for endpoint in endpoints}


def test_nothing_to_pick_before_the_first_assignment() -> None:
    balancer = fleet.balancer()
    assert balancer.pick(REQUEST) is None
    assert not balancer.waiting


def test_calls_wait_while_the_first_connections_are_under_way() -> None:
    balancer = fleet.balancer()
    balancer.update(fleet.assignment(fleet.endpoints(3)))
    assert balancer.pick(REQUEST) is None
    assert balancer.waiting


def test_an_empty_assignment_is_nothing_to_wait_for() -> None:
    balancer = fleet.balancer()
    balancer.update(fleet.assignment(()))
    assert balancer.pick(REQUEST) is None
    assert not balancer.waiting


def test_only_connected_endpoints_are_picked() -> None:
    balancer = fleet.balancer()
    changes = balancer.update(fleet.assignment(fleet.endpoints(4)))
    ready, connecting, failed, idle = changes.opened
    balancer.connectivity_changed(connecting, Connectivity.CONNECTING)
    balancer.connectivity_changed(failed, Connectivity.TRANSIENT_FAILURE)
    balancer.connectivity_changed(ready, Connectivity.READY)
    assert picked(balancer) == {ready.endpoint.address}
    assert idle.in_flight == 0


def test_an_endpoint_that_comes_back_is_picked_again() -> None:
    balancer = fleet.balancer()
    changes = fleet.update(balancer, fleet.endpoints(2))
    lost = changes.opened[0]
    balancer.connectivity_changed(lost, Connectivity.TRANSIENT_FAILURE)
    assert lost.endpoint.address not in picked(balancer)
    balancer.connectivity_changed(lost, Connectivity.READY)
    assert lost.endpoint.address in picked(balancer)


def test_when_nothing_can_be_reached_a_real_attempt_gives_the_error() -> None:
    balancer = fleet.balancer()
    for node in balancer.update(fleet.assignment(fleet.endpoints(2))).opened:
        balancer.connectivity_changed(node, Connectivity.TRANSIENT_FAILURE)
    assert picked(balancer) == addresses(fleet.endpoints(2))


def test_nodes_keep_their_calls_across_assignments() -> None:
    balancer = fleet.balancer()
    fleet.update(balancer, fleet.endpoints(3))
    pick = balancer.pick(REQUEST)
    assert pick is not None
    kept = set(balancer.nodes)
    fleet.update(balancer, fleet.endpoints(5))
    assert kept < set(balancer.nodes)
    assert sum(node.in_flight for node in balancer.nodes) == 1
    pick.done(OK)


def test_an_update_names_what_came_and_what_left() -> None:
    balancer = fleet.balancer()
    fleet.update(balancer, fleet.endpoints(3))
    changes = fleet.update(balancer, fleet.endpoints(3, start=2))
    assert addresses(tuple(n.endpoint for n in changes.opened)) == {"10.0.0.4", "10.0.0.5"}
    assert addresses(tuple(n.endpoint for n in changes.closed)) == {"10.0.0.1", "10.0.0.2"}
    assert picked(balancer) == {"10.0.0.3", "10.0.0.4", "10.0.0.5"}


def test_a_node_that_left_finishes_its_calls_and_gets_no_new_ones() -> None:
    balancer = fleet.balancer()
    fleet.update(balancer, fleet.endpoints(1))
    pick = balancer.pick(REQUEST)
    assert pick is not None
    fleet.update(balancer, fleet.endpoints(1, start=1))
    assert pick.node.retired
    assert pick.node.in_flight == 1
    assert picked(balancer) == {"10.0.0.2"}
    pick.done(OK)


def test_a_pick_that_raced_with_a_removal_is_given_back() -> None:
    balancer = fleet.balancer(Policy(strategy="random"))
    changes = fleet.update(balancer, fleet.endpoints(2))
    gone, stays = changes.opened
    # What another thread sees that read the picker just before the update: a node that was retired since.
    gone.retire(lambda _: None)
    for _ in range(50):
        pick = balancer.pick(REQUEST)
        assert pick is not None
        assert pick.node is stays
        pick.done(OK)
    assert gone.in_flight == 0


def test_the_next_priority_is_used_when_the_first_cannot_be_reached() -> None:
    balancer = fleet.balancer()
    first, second = fleet.endpoints(2), fleet.endpoints(2, start=10)
    changes = fleet.update(balancer, first, second)
    assert picked(balancer) == addresses(first)
    for node in changes.opened[:2]:
        balancer.connectivity_changed(node, Connectivity.TRANSIENT_FAILURE)
    assert picked(balancer) == addresses(second)


def test_a_priority_still_connecting_is_waited_for() -> None:
    balancer = fleet.balancer()
    changes = balancer.update(fleet.assignment(fleet.endpoints(1), fleet.endpoints(1, start=10)))
    balancer.connectivity_changed(changes.opened[1], Connectivity.READY)
    assert balancer.pick(REQUEST) is None
    assert balancer.waiting


def test_draining_endpoints_are_the_last_resort() -> None:
    balancer = fleet.balancer()
    healthy, draining = fleet.endpoints(2), fleet.endpoints(2, Health.DRAINING, start=10)
    fleet.update(balancer, healthy + draining)
    assert picked(balancer) == addresses(healthy)
    fleet.update(balancer, draining)
    assert picked(balancer) == addresses(draining)


def test_unhealthy_endpoints_are_not_even_connected() -> None:
    balancer = fleet.balancer()
    changes = fleet.update(balancer, fleet.endpoints(2, Health.UNHEALTHY))
    assert changes.opened == ()
    assert balancer.pick(REQUEST) is None


def test_connections_are_capped() -> None:
    balancer = fleet.balancer(Policy(max_connections=10))
    assert len(fleet.update(balancer, fleet.endpoints(1000)).opened) == 10
    assert len(picked(balancer, 500)) == 10


def test_an_unknown_strategy_is_refused_with_those_that_exist() -> None:
    with pytest.raises(PolicyError, match="no strategy 'least_conn'; known are consistent_hash, least_request, p2c"):
        fleet.balancer(Policy(strategy="least_conn"))


def test_a_score_that_a_race_left_behind_does_not_last() -> None:
    now = [0.0]
    balancer = Balancer(Policy(), client_id="test", rng=random.Random(1), clock=lambda: now[0])
    shunned = fleet.update(balancer, fleet.endpoints(2)).opened[0]
    # What two threads leave that count at the same time and write one after the other.
    shunned.score = 1.0
    assert shunned.endpoint.address not in picked(balancer)
    now[0] = 2.0
    assert shunned.endpoint.address in picked(balancer)


def test_as_many_calls_as_allowed_and_not_one_more() -> None:
    balancer = fleet.balancer(Policy(max_requests=3))
    fleet.update(balancer, fleet.endpoints(2))
    picks = [balancer.pick(REQUEST) for _ in range(3)]
    with pytest.raises(TooManyRequests, match=r"payments.prod:8080: 3 in flight already, .* max_requests allows; make"):
        balancer.pick(REQUEST)
    assert picks[0] is not None
    picks[0].done(OK)
    assert balancer.pick(REQUEST) is not None


def test_calls_of_endpoints_that_left_count_until_they_end() -> None:
    balancer = fleet.balancer(Policy(max_requests=2))
    fleet.update(balancer, fleet.endpoints(1))
    old = [balancer.pick(REQUEST) for _ in range(2)]
    fleet.update(balancer, fleet.endpoints(1, start=1))
    with pytest.raises(TooManyRequests):
        balancer.pick(REQUEST)
    for pick in old:
        assert pick is not None
        pick.done(OK)
    assert picked(balancer, 1) == addresses(fleet.endpoints(1, start=1))


def test_a_limit_that_is_set_counts_the_calls_under_way() -> None:
    balancer = fleet.balancer()
    fleet.update(balancer, fleet.endpoints(3))
    before = [balancer.pick(REQUEST) for _ in range(2)]
    balancer.adopt(Policy(max_requests=2))
    with pytest.raises(TooManyRequests):
        balancer.pick(REQUEST)
    for pick in before:
        assert pick is not None
        pick.done(OK)
    assert [balancer.pick(REQUEST) is not None for _ in range(2)] == [True, True]


def test_a_limit_that_is_lifted_and_set_again_counts_no_ghosts() -> None:
    balancer = fleet.balancer(Policy(max_requests=2))
    fleet.update(balancer, fleet.endpoints(1))
    held = [balancer.pick(REQUEST) for _ in range(2)]
    balancer.adopt(Policy())
    held.append(balancer.pick(REQUEST))
    for pick in held:
        assert pick is not None
        pick.done(OK)
    balancer.adopt(Policy(max_requests=2))
    assert [balancer.pick(REQUEST) is not None for _ in range(2)] == [True, True]
    with pytest.raises(TooManyRequests):
        balancer.pick(REQUEST)
