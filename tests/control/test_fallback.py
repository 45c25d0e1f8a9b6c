"""Fallback services: which endpoints come after a service's own, who has to agree, and what follows a change."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.control.objects import endpoint, endpoint_slice, service
from tests.control.test_resource_store import PAYMENTS, REF, Shop
from trimtab.balance import Balancer, Connectivity, Request
from trimtab.control.fallback import joined
from trimtab.control.gate import Refused, gate
from trimtab.control.kubernetes import FALLBACK_ANNOTATION, EndpointSlice, Object, Service, ServicePortSpec
from trimtab.errors import PolicyError
from trimtab.model import Assignment, Endpoint, Health, Locality, LocalityEndpoints, Policy, ServiceRef
from trimtab.xds.assignment import decode_assignment
from trimtab.xds.resource_type import ENDPOINTS
from trimtab.xds.wire import text

OWN = endpoint_slice(endpoint("10.0.0.1"), endpoint("10.0.0.2"))
SPARE = endpoint_slice(endpoint("10.0.1.1"), name="spare-1", of="spare")


def falls_back_to(*names: str) -> Service:
    return service(policy=f"fallback: [{', '.join(map(repr, names))}]")


def elsewhere(item: Service | EndpointSlice, annotation: str | None = None) -> Object:
    """The same in namespace dr."""
    annotations = None if annotation is None else {FALLBACK_ANNOTATION: annotation}
    return replace(item, metadata=replace(item.metadata, namespace="dr", annotations=annotations))


def told(shop: Shop, name: str = PAYMENTS) -> dict[int, list[str]]:
    """Addresses by priority, as a client decodes them; those of another service with its name."""
    assignment = decode_assignment(text(1, name) + shop.get(ENDPOINTS, name).body)
    found: dict[int, list[str]] = {}
    for priority, item in assignment.endpoints():
        found.setdefault(priority, []).append(f"{item.address} of {item.origin}" if item.origin else item.address)
    return found


def why(shop: Shop) -> str:
    return shop.store.fallbacks.problems[REF]


def test_the_endpoints_of_a_fallback_come_after_its_own_under_every_name() -> None:
    shop = Shop(falls_back_to("spare"), OWN, service(name="spare"), SPARE)
    expected = {0: ["10.0.0.1", "10.0.0.2"], 1: ["10.0.1.1 of spare.prod:8080"]}
    assert told(shop) == told(shop, "payments.prod:grpc") == told(shop, "payments.prod") == expected
    assert told(shop, "spare.prod:8080") == {0: ["10.0.1.1"]}
    assert not shop.store.fallbacks.problems


def test_several_come_in_their_order_and_nobody_comes_twice() -> None:
    third = endpoint_slice(endpoint("10.0.0.2"), endpoint("10.0.1.1"), endpoint("10.0.2.1"), name="third-1", of="third")
    shop = Shop(falls_back_to("third", "spare"), OWN, service(name="spare"), SPARE, service(name="third"), third)
    assert told(shop) == {
        0: ["10.0.0.1", "10.0.0.2"],
        1: ["10.0.1.1 of third.prod:8080", "10.0.2.1 of third.prod:8080"],
    }


def test_a_service_without_endpoints_of_its_own_consists_of_its_fallback() -> None:
    shop = Shop(falls_back_to("spare"), service(name="spare"), SPARE)
    assert told(shop) == {0: ["10.0.1.1 of spare.prod:8080"]}


def test_it_follows_whatever_changes() -> None:
    shop = Shop(falls_back_to("spare"), OWN)
    assert told(shop) == {0: ["10.0.0.1", "10.0.0.2"]}
    assert why(shop) == "fallback spare: there is no service spare in namespace prod"
    heard: list[object] = []
    shop.store.watch(REF, heard.append)
    shop.apply(service(name="spare"), SPARE)
    assert 1 in told(shop)
    assert heard == [REF]
    shop.apply(endpoint_slice(endpoint("10.0.1.2"), name="spare-1", of="spare"))
    assert told(shop)[1] == ["10.0.1.2 of spare.prod:8080"]
    shop.apply(endpoint_slice(endpoint("10.0.0.3")))
    assert told(shop) == {0: ["10.0.0.3"], 1: ["10.0.1.2 of spare.prod:8080"]}
    shop.store.apply(shop.catalog.apply((), [("Service", "prod", "spare")]))
    assert told(shop) == {0: ["10.0.0.3"]}
    shop.apply(service())
    heard.clear()
    shop.apply(service(name="spare"), SPARE)
    assert not heard, "nobody falls back to it any more"
    assert not shop.store.fallbacks.problems


def test_two_services_may_be_each_others_fallback() -> None:
    spare = service(name="spare", policy="fallback: [payments]")
    shop = Shop(falls_back_to("spare"), OWN, spare, SPARE)
    assert told(shop)[1] == ["10.0.1.1 of spare.prod:8080"]
    assert told(shop, "spare.prod:8080")[1] == ["10.0.0.1 of payments.prod:8080", "10.0.0.2 of payments.prod:8080"]


@pytest.mark.parametrize("agreed", ["prod", "staging, prod", "payments.prod", "*"])
def test_in_another_namespace_its_owner_agrees_by_annotation(agreed: str) -> None:
    shop = Shop(falls_back_to("spare.dr"), OWN, elsewhere(service(name="spare")), elsewhere(SPARE))
    assert 1 not in told(shop)
    assert why(shop) == (
        "fallback spare.dr: its owner has not agreed to take calls of namespace prod: Service dr/spare needs the annotation "
        "trimtab.dev/fallback-for: prod"
    )
    shop.apply(elsewhere(service(name="spare"), annotation=agreed))
    assert told(shop)[1] == ["10.0.1.1 of spare.dr:8080"]
    assert not shop.store.fallbacks.problems
    shop.apply(elsewhere(service(name="spare"), annotation="orders.prod staging"))
    assert 1 not in told(shop)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("payments", "a service is no fallback for itself"),
        ("spare:9", "service prod/spare has no port 9; it has 8080 (grpc)"),
        ("spare/shard=7", "a fallback is a whole service"),
        ("web", "it speaks another protocol"),
        ("outside", "it is an ExternalName for example.com:8080"),
        ("dns:///spare", "scheme 'dns' is not served by Trimtab"),
    ],
)
def test_what_cannot_be_a_fallback_is_refused_and_the_others_are_used(name: str, said: str) -> None:
    shop = Shop(
        falls_back_to(name, "spare"),
        OWN,
        service(name="spare"),
        SPARE,
        service(ServicePortSpec(8080, "http"), name="web"),
        service(name="outside", type="ExternalName", external_name="example.com"),
    )
    assert told(shop)[1] == ["10.0.1.1 of spare.prod:8080"]
    assert why(shop).startswith(f"fallback {name}: ")
    assert said in why(shop)


def test_the_same_port_is_meant_unless_another_is_named() -> None:
    two = service(ServicePortSpec(8080, "grpc"), ServicePortSpec(9000, "grpc-admin"), name="spare")
    shop = Shop(falls_back_to("spare"), OWN, two, SPARE)
    assert told(shop)[1] == ["10.0.1.1 of spare.prod:8080"]


def test_shards_fall_back_to_the_same_shards() -> None:
    shop = Shop(falls_back_to("spare"), OWN, service(name="spare"), SPARE)
    assert shop.store.assignment(ServiceRef("payments", "prod", "8080", ("shard", "7"))) is not None
    assert told(shop, f"{PAYMENTS}/shard=7") == {}


def test_the_policy_has_a_list_of_names() -> None:
    with pytest.raises(PolicyError, match=r"policy\.fallback: expected a list of strings"):
        Policy.from_mapping({"fallback": "spare"})
    assert Policy.from_mapping({"fallback": ["spare"]}).to_mapping() == {"fallback": ["spare"]}


def test_own_endpoints_that_drain_come_after_a_fallback_and_are_the_last_resort_of_all() -> None:
    draining = endpoint_slice(endpoint("10.0.0.1", ready=False, serving=True, terminating=True))
    shop = Shop(falls_back_to("spare"), draining, service(name="spare"), SPARE)
    assert health(shop) == {"10.0.0.1": Health.DRAINING, "10.0.1.1": Health.HEALTHY}
    assert picked(shop) == {"10.0.1.1"}
    shop.apply(
        endpoint_slice(endpoint("10.0.1.1", ready=False, serving=True, terminating=True), name="spare-1", of="spare")
    )
    assert picked(shop) == {"10.0.0.1"}


def assignment_of(shop: Shop) -> Assignment:
    return decode_assignment(text(1, PAYMENTS) + shop.get(ENDPOINTS).body)


def health(shop: Shop) -> dict[str, Health]:
    return {item.address: item.health for _, item in assignment_of(shop).endpoints()}


def picked(shop: Shop) -> set[str]:
    """Where our own client's calls go, every endpoint being connected."""
    balancer = Balancer(Policy(), client_id="client", rng=random.Random(1), clock=lambda: 0.0)
    for node in balancer.update(assignment_of(shop)).opened:
        balancer.connectivity_changed(node, Connectivity.READY)
    picks = [balancer.pick(Request("/shop.Shop/Buy")) for _ in range(50)]
    return {pick.node.endpoint.address for pick in picks if pick is not None}


places = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from("abc"), st.integers(1, 9), st.sampled_from([9090, 9091])), max_size=8
)


def assignment(found: list[tuple[int, str, int, int]]) -> Assignment:
    """Endpoints by priority and zone; the priorities without gaps."""
    ranks = sorted({priority for priority, *_ in found})
    groups = {
        (ranks.index(priority), zone): {
            Endpoint(f"10.0.0.{host}", port) for p, z, host, port in found if (p, z) == (priority, zone)
        }
        for priority, zone, *_ in found
    }
    return Assignment(
        PAYMENTS,
        tuple(
            LocalityEndpoints(Locality(zone=zone), tuple(sorted(members, key=lambda e: e.authority)), 1, priority)
            for (priority, zone), members in groups.items()
        ),
    )


@given(places, st.lists(places, max_size=3))
def test_whatever_is_joined_every_address_is_there_once_and_priorities_follow_each_other(
    own: list[tuple[int, str, int, int]], others: list[list[tuple[int, str, int, int]]]
) -> None:
    fallbacks = [(ServiceRef(f"spare-{i}", "prod", "8080"), assignment(other)) for i, other in enumerate(others)]
    verdict = gate(joined(assignment(own), fallbacks))
    assert not isinstance(verdict, Refused)
    found = [(priority, item) for priority, item in verdict.assignment.endpoints()]
    assert {(item.address, item.port) for _, item in found} == {
        (f"10.0.0.{host}", port) for each in (own, *others) for _, _, host, port in each
    }
    assert sorted({priority for priority, _ in found}) == list(range(len({priority for priority, _ in found})))
    ranks = {"": -1} | {str(ref): rank for rank, (ref, _) in enumerate(fallbacks)}
    in_order = [ranks[item.origin] for _, item in sorted(found, key=lambda placed: placed[0])]
    assert in_order == sorted(in_order)
