"""What a call weighs: who says so, and who may correct it."""

import numpy as np
import pytest

from tests.balance import fleet
from trimtab.balance import Balancer, Cost, Outcome, Pick, Request
from trimtab.model import Policy

OK = Outcome("OK")


def placed(balancer: Balancer, **attributes: object) -> Pick:
    pick = balancer.pick(Request("/shop.Shop/Buy", attributes=attributes))
    assert pick is not None
    return pick


def balancer(policy: Policy, count: int = 1) -> Balancer:
    made = fleet.balancer(policy)
    fleet.update(made, fleet.endpoints(count))
    return made


def test_a_request_that_says_nothing_weighs_1() -> None:
    assert placed(balancer(Policy(load="cost"))).cost == 1.0


@pytest.mark.parametrize("cost", [3, 3.0, np.int64(3), np.float32(3), Cost(3), Cost(np.float64(3))])
def test_any_number_will_do(cost: object) -> None:
    pick = placed(balancer(Policy(load="cost")), cost=cost)
    assert pick.cost == pick.node.load == 3.0


@pytest.mark.parametrize("cost", [-1, float("nan"), float("inf"), True, "3", None, 1j])
def test_what_is_no_cost_is_refused_and_places_no_call(cost: object) -> None:
    for policy in (Policy(load="cost"), Policy(load="cost", cost=lambda request: request.attributes["cost"])):
        shop = balancer(policy)
        with pytest.raises(ValueError, match=r"cost: expected a number that is not negative, or a trimtab\.Cost, got"):
            placed(shop, cost=cost)
        assert sum(node.in_flight for node in shop.nodes) == 0


def test_a_correction_that_is_no_cost_leaves_what_was() -> None:
    weight = Cost(3)
    pick = placed(balancer(Policy(load="cost")), cost=weight)
    with pytest.raises(ValueError, match="got -1"):
        weight.amount = -1
    assert weight.amount == pick.cost == pick.node.load == 3.0


def test_the_object_of_a_call_takes_over_the_number_that_the_policy_says() -> None:
    shop = balancer(Policy(load="cost", cost=lambda request: 10.0 * request.attributes["rows"]))
    weight = Cost()
    pick = placed(shop, rows=4, cost=weight)
    assert weight.amount == pick.cost == 40.0
    weight.amount = 15
    assert pick.cost == pick.node.load == 15.0
    # Tried again within the same block it begins with the estimate again; what the first attempt weighs stays.
    again = placed(shop, rows=4, cost=weight)
    assert (pick.cost, again.cost, weight.amount) == (15.0, 40.0, 40.0)
    weight.amount = 1
    assert pick.node.load == 16.0


def test_an_object_that_the_policy_returns_goes_before_the_attribute() -> None:
    returned, given = Cost(7), Cost(5)
    pick = placed(balancer(Policy(load="cost", cost=lambda request: returned)), cost=given)
    given.amount = 6
    assert pick.node.load == 7.0
    returned.amount = 8
    assert pick.node.load == 8.0


def test_a_call_that_ended_weighs_nothing_whatever_is_said_later() -> None:
    weight = Cost(5)
    pick = placed(balancer(Policy(load="cost")), cost=weight)
    weight.amount = 9
    pick.done(OK)
    weight.amount = 100
    assert pick.node.load == pick.node.cost == 0.0


def test_a_correction_moves_the_calls_that_follow() -> None:
    shop = balancer(Policy("least_request", load="cost"), count=2)
    weight = Cost(100)
    heavy = placed(shop, cost=weight)
    assert {placed(shop, cost=1).node for _ in range(20)} == {node for node in shop.nodes if node is not heavy.node}
    weight.amount = 0
    assert placed(shop, cost=1).node is heavy.node


def test_a_cost_that_cannot_follow_its_call_leaves_none_in_flight() -> None:
    class Stubborn(Cost):
        def follow(self, pick: Pick) -> None:
            raise RuntimeError("not with me")

    shop = balancer(Policy(load="cost"))
    with pytest.raises(RuntimeError, match="not with me"):
        placed(shop, cost=Stubborn(3))
    (node,) = shop.nodes
    assert (node.in_flight, node.load) == (0, 0)


def test_calls_under_way_when_cost_becomes_the_load_weigh_1_unless_more_is_known() -> None:
    shop = balancer(Policy(load="cost"), count=2)
    heavy = placed(shop, cost=40)
    shop.adopt(Policy("least_request"))
    others = [placed(shop, cost=40) for _ in range(5)]
    shop.adopt(Policy("least_request", load="cost"))
    assert (heavy.cost, {other.cost for other in others}) == (40.0, {1.0})
    assert all(node.load == sum(pick.cost for pick in node.outstanding) for node in shop.nodes)
    assert sum(node.load for node in shop.nodes) == 45.0
    assert placed(shop).node is not heavy.node
    for pick in [pick for node in shop.nodes for pick in node.outstanding]:
        pick.done(OK)
    assert [node.load for node in shop.nodes] == [node.cost for node in shop.nodes] == [0.0, 0.0]


def test_a_call_that_weighs_nothing_still_does_when_another_policy_goes_by_cost_too() -> None:
    shop = balancer(Policy(load="cost"))
    free = placed(shop, cost=0)
    shop.adopt(Policy("least_request", load="cost"))
    assert free.cost == free.node.load == 0.0
