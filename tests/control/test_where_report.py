"""What `trimtab endpoints` says of where calls may go, in the words of the client's `explain()`."""

import random

from tests.control.objects import endpoint, endpoint_slice, pod, service
from tests.control.test_endpoints_report import Shop
from trimtab.balance import Balancer, explain
from trimtab.model import Policy, ServiceRef
from trimtab.xds.resource import Audience
from trimtab.xds.resource_type import SEATS

NAME = "payments.prod:8080"
LARGE = endpoint_slice(*(endpoint(f"10.0.0.{number}") for number in range(1, 41)))


def test_parts_of_a_large_fleet_are_those_that_clients_choose() -> None:
    shop = Shop(service(policy="subset: {clients_per_endpoint: 1}"), LARGE)
    assert shop.report().part == "40 of 40 endpoints: the control plane gave this client no seat"
    seen = [Audience(client=f"client-{number}") for number in range(4)]
    for audience in seen:
        shop.store.recounted(NAME, shares_changed=shop.census.joined(NAME, ""))
        shop.store.take_seat(NAME, audience, None)
    shop.store.seats_known()
    shop.store.recounted(NAME, shares_changed=False)
    assert shop.report().part == "10 of 40 endpoints: 1 clients are to share an endpoint, and there are 4"
    assert shop.store.get(SEATS, NAME, seen[0]) is not None
    assert shop.store.get(SEATS, NAME, Audience(client="stranger")) is None


def test_shards_are_listed_and_each_endpoint_says_its_own() -> None:
    shop = Shop(
        service(policy="shards: {}"),
        endpoint_slice(*(endpoint(f"10.0.0.{number}", pod=name) for number, name in enumerate("abc", 1))),
        pod("a", shard="7"),
        pod("b", shard="8"),
    )
    report = shop.report()
    assert report.shards == {"7": 1, "8": 1}
    assert [e.shard for group in report.localities for e in group.endpoints] == ["7", "8", None]
    assert report.part == "shards by shard, each up to max_connections"


def test_fallbacks_say_whose_endpoints_they_are_here_and_at_the_client() -> None:
    spare = endpoint_slice(endpoint("10.0.1.1"), name="spare-1", of="spare")
    shop = Shop(
        service(policy="fallback: [spare, missing]"),
        endpoint_slice(endpoint("10.0.0.1")),
        service(name="spare"),
        spare,
    )
    report = shop.report()
    assert [(g.priority, e.origin) for g in report.localities for e in g.endpoints] == [(0, ""), (1, "spare.prod:8080")]
    assert report.fallback_problem == "fallback missing: there is no service missing in namespace prod"
    served = shop.store.assignment(ServiceRef.parse(NAME))
    assert served is not None
    balancer = Balancer(Policy(), client_id="client", rng=random.Random(1), clock=lambda: 0.0)
    balancer.update(served)
    states = explain(balancer.belongings, 0.0)
    assert [(state.priority, state.origin) for state in states] == [(0, ""), (1, "spare.prod:8080")]


def test_what_unreachable_endpoints_move_is_said_for_each_kind_of_client() -> None:
    own, spare = endpoint_slice(endpoint("10.0.0.1")), endpoint_slice(endpoint("10.0.1.1"), name="spare-1", of="spare")
    shop = Shop(service(policy="fallback: [spare]"), own, service(name="spare"), spare)
    assert shop.report().unreachable == {
        "library": "gradually, when less than 72% of a priority is reached",
        "gRPC": "all at once, when none of a priority is reached",
        "Envoy": "never: the policy has no outlier_detection",
    }
    shop.apply(service(policy="{fallback: [spare], outlier_detection: {max_ejection_percent: 40}}"))
    assert shop.report().unreachable["Envoy"] == "as the library, by what it may eject: max_ejection_percent is 40"
    shop.apply(service())
    assert not shop.report().unreachable, "there is no next priority"


def test_passthrough_is_said_first() -> None:
    shop = Shop(service(policy="mode: passthrough"), endpoint_slice(endpoint("10.0.0.1")))
    assert shop.report().where == "what DNS says of payments.prod:8080"
    assert (shop.report().by_dns, shop.report().part) == (True, "")
    assert Shop(service(), endpoint_slice(endpoint("10.0.0.1"))).report().where == "the endpoints below"
