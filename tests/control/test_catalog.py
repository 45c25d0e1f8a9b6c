"""By which names services are known, and what a change of any object changes."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.control.catalogs import PAYMENTS, catalog, endpoints, port
from tests.control.objects import endpoint, endpoint_slice, node, pod, service
from trimtab.control.catalog import Catalog, ServiceKey, ServicePort
from trimtab.control.kubernetes import (
    EndpointSlice,
    Object,
    ObjectKey,
    Service,
    ServicePortSpec,
    SliceEndpoint,
    SlicePort,
)
from trimtab.control.policy_defaults import PolicyDefaults
from trimtab.model import Endpoint, Locality, Policy, ServiceRef
from trimtab.xds.cluster import DnsTarget


def test_a_service_is_known_by_port_number_by_port_name_and_alone_if_it_has_one_port() -> None:
    filled = catalog(service())
    names = (PAYMENTS, ServiceRef("payments", "prod", "grpc"), ServiceRef("payments", "prod"))
    assert port(filled).names == names
    assert all(filled.get(name) is port(filled) for name in names)


def test_a_service_with_several_ports_is_known_only_with_its_port() -> None:
    filled = catalog(service(ServicePortSpec(8080, "grpc"), ServicePortSpec(9000, "metrics")))
    assert filled.get(ServiceRef("payments", "prod")) is None
    assert filled.get(ServiceRef("payments", "prod", "metrics")) is not None
    assert len(filled.service_ports()) == 2


def test_a_port_with_a_long_name_is_known_by_it() -> None:
    filled = catalog(service(ServicePortSpec(8080, "grpc-for-internal-callers")))
    assert filled.get(ServiceRef.parse("payments.prod:grpc-for-internal-callers")) is port(filled)


def test_a_number_means_the_port_of_this_number_not_the_one_that_is_named_so() -> None:
    filled = catalog(service(ServicePortSpec(8080, "grpc"), ServicePortSpec(9000, "8080")))
    assert port(filled).ref.port == "8080"
    assert port(filled, ServiceRef("payments", "prod", "9000")).names == (ServiceRef("payments", "prod", "9000"),)


def test_an_external_name_is_its_name_at_the_ports_of_the_service() -> None:
    external = service(ServicePortSpec(8080, "pg"), type="ExternalName", external_name="db.example")
    filled = catalog(external, endpoint_slice(endpoint("10.0.0.1")))
    found = port(filled)
    assert found.external == DnsTarget("db.example", 8080)
    assert not len(found.assignment)
    ref = ServiceRef("payments", "prod")
    assert filled.why_missing(ref) == (
        "service prod/payments is an ExternalName for db.example: it has no endpoints to balance; connect to db.example:8080 "
        "instead"
    )
    filled.apply([service()], ())
    assert port(filled).external is None
    assert len(port(filled).assignment) == 1


def test_a_slice_may_pass_to_another_service() -> None:
    filled = catalog(service(), service(name="orders"), endpoint_slice(endpoint("10.0.0.1")))
    filled.apply([endpoint_slice(endpoint("10.0.0.1"), of="orders")], ())
    assert endpoints(filled) == []
    assert endpoints(filled, ServiceRef("orders", "prod", "8080")) == [Endpoint("10.0.0.1", 9090)]


def test_the_policy_is_read_from_its_annotation() -> None:
    filled = catalog(service(policy="strategy: round_robin\nmax_connections: 7"))
    assert port(filled).policy == Policy("round_robin", max_connections=7)


@pytest.mark.parametrize("mistake", ["strategy: [", "max_conections: 7", "just text", "[" * 10_000, "a: 1\n---\nb: 2"])
def test_a_mistake_in_the_policy_keeps_the_last_good_one(mistake: str) -> None:
    filled = catalog(service(policy="max_connections: 7"))
    filled.apply([service(policy=mistake)], ())
    assert port(filled).policy == Policy(max_connections=7)
    assert "service prod/payments: annotation trimtab.dev/policy: " in filled.problems["prod", "payments"]
    filled.apply([service(policy="max_connections: 8")], ())
    assert filled.problems == {}
    assert port(filled).policy == Policy(max_connections=8)


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        (
            ServiceRef("payments", "staging"),
            "there is no service in namespace staging; services are known in: other, prod",
        ),
        (ServiceRef("paymets", "prod"), "there is no service paymets in namespace prod"),
        (ServiceRef("orders", "prod"), "there is no service orders in namespace prod; there is one in namespace other"),
        (
            ServiceRef("payments", "prod", "9999"),
            "service prod/payments has no port 9999; it has 8080 (grpc), 9000 (metrics)",
        ),
        (
            ServiceRef("payments", "prod"),
            "service prod/payments has several ports, say which: 8080 (grpc), 9000 (metrics)",
        ),
        (ServiceRef("ghost", "prod"), "there are EndpointSlices for prod/ghost, but no Service of that name"),
        (
            ServiceRef("db", "prod", "5433"),
            (
                "service prod/db is an ExternalName for db.example without such a port: declare it in spec.ports, so that Envoy "
                "and stock gRPC can be told of it"
            ),
        ),
    ],
)
def test_a_name_that_means_nothing_is_explained(ref: ServiceRef, says: str) -> None:
    orders = service(name="orders")
    filled = catalog(
        service(ServicePortSpec(8080, "grpc"), ServicePortSpec(9000, "metrics")),
        service(name="db", type="ExternalName", external_name="db.example"),
        endpoint_slice(name="ghost-1", of="ghost"),
        type(orders)(type(orders.metadata)("orders", "other"), orders.spec),
    )
    assert filled.get(ref) is None
    assert filled.why_missing(ref) == says


def test_a_name_asked_for_in_vain_takes_no_look_at_every_service(monkeypatch: pytest.MonkeyPatch) -> None:
    class LookedUpOnly(dict[ServiceKey, Service]):
        def __iter__(self) -> Iterator[ServiceKey]:
            raise AssertionError("one request may hold thousands of names")

    filled = catalog(service())
    monkeypatch.setattr(filled, "_services", LookedUpOnly(filled._services))
    for name in ("paymets.prod", "payments.staging"):
        assert filled.why_missing(ServiceRef.parse(name)).startswith("there is no service")


def test_other_defaults_change_the_services_they_are_for_under_all_their_names() -> None:
    filled = catalog(service(), service(name="orders", policy="max_connections: 7"))
    (change,) = [change for change in filled.adopt(PolicyDefaults({}, {"prod": {"max_connections": 7}})) if change]
    assert {ref.name for ref in change} == {"payments"}
    moved = {id(port) for port in change.values()}
    assert len(change) > len(moved) == 1
    assert port(filled).policy == Policy(max_connections=7)
    # And those that come later.
    filled.apply([service(name="late")], ())
    assert port(filled, ServiceRef("late", "prod", "8080")).policy == Policy(max_connections=7)


def test_only_what_really_changed_is_reported() -> None:
    filled = catalog(service(), service(name="orders"), endpoint_slice(endpoint("10.0.0.1")), node("n1"))
    assert filled.apply([endpoint_slice(endpoint("10.0.0.1"))], ()) == {}
    changes = filled.apply([endpoint_slice(endpoint("10.0.0.2"))], ())
    assert set(changes) == set(port(filled).names)


def test_a_service_that_is_gone_means_nothing_under_any_name() -> None:
    filled = catalog(service(), endpoint_slice(endpoint("10.0.0.1")))
    names = port(filled).names
    assert filled.apply((), [("Service", "prod", "payments")]) == dict.fromkeys(names)


def test_a_service_whose_slices_are_gone_has_no_endpoints() -> None:
    filled = catalog(service(), endpoint_slice(endpoint("10.0.0.1")))
    filled.apply((), [("EndpointSlice", "prod", "payments-1")])
    assert endpoints(filled) == []


def test_a_node_that_changes_touches_the_services_with_endpoints_on_it() -> None:
    filled = catalog(
        service(), service(name="orders"), endpoint_slice(endpoint("10.0.0.1", node="n1")), node("n1", "eu", "a")
    )
    changes = filled.apply([node("n1", "eu", "b")], ())
    assert {ref.name for ref in changes} == {"payments"}


def test_a_node_that_is_gone_takes_its_region_with_it() -> None:
    filled = catalog(service(), endpoint_slice(endpoint("10.0.0.1", node="n1", zone="a")), node("n1", "eu", "a"))
    filled.apply((), [("Node", "", "n1")])
    assert [group.locality for group in port(filled).assignment.localities] == [Locality("", "a")]


names = st.sampled_from(["payments", "orders", "users"])
slice_names = st.sampled_from(["s1", "s2", "s3"])


@st.composite
def objects(draw: st.DrawFn) -> Object:
    kind = draw(st.sampled_from(["service", "slice", "node"]))
    if kind == "service":
        spec = draw(st.sampled_from([ServicePortSpec(8080, "grpc"), ServicePortSpec(9000), ServicePortSpec(80, "web")]))
        more = draw(st.sampled_from([(), (ServicePortSpec(7777, "metrics"),)]))
        return service(spec, *more, name=draw(names))
    if kind == "node":
        return node(draw(st.sampled_from(["n1", "n2"])), "eu", draw(st.sampled_from("ab")))
    name = draw(slice_names)
    # Each slice has addresses of its own: which of two slices is right depends on history, the rest must not.
    hosts = draw(st.lists(st.integers(1, 4), max_size=3, unique=True))
    members: Sequence[SliceEndpoint] = [
        endpoint(f"10.0.{name[1]}.{host}", ready=draw(st.booleans()), node=draw(st.sampled_from([None, "n1", "n2"])))
        for host in hosts
    ]
    return endpoint_slice(
        *members, name=name, of=draw(names), ports=[SlicePort(9090, draw(st.sampled_from(["grpc", ""])))]
    )


def _by_name(catalog: Catalog) -> list[ServicePort]:
    return sorted(catalog.service_ports(), key=lambda port: str(port.ref))


@given(st.lists(st.tuples(st.booleans(), objects()), max_size=25))
def test_step_by_step_gives_what_all_at_once_gives(history: list[tuple[bool, Object]]) -> None:
    stepwise = Catalog()
    published: dict[ServiceRef, ServicePort | None] = {}
    truth: dict[ObjectKey, Object] = {}
    for exists, item in history:
        if exists:
            truth[item.key] = item
            published.update(stepwise.apply([item], ()))
        else:
            truth.pop(item.key, None)
            published.update(stepwise.apply((), [item.key]))
    fresh = Catalog()
    expected = fresh.apply(truth.values(), ())
    assert {ref: p for ref, p in published.items() if p is not None} == expected
    # Since when an endpoint is ready is another story each time, and no part of what is compared.
    assert _by_name(stepwise) == _by_name(fresh)


@given(st.permutations([endpoint_slice(endpoint(f"10.0.0.{i}", zone="ab"[i % 2]), name=f"s{i}") for i in range(1, 5)]))
def test_equal_state_is_equal_whatever_came_first(slices: list[EndpointSlice]) -> None:
    reference = catalog(
        service(), *(endpoint_slice(endpoint(f"10.0.0.{i}", zone="ab"[i % 2]), name=f"s{i}") for i in range(1, 5))
    )
    assert port(catalog(service(), *slices)).assignment == port(reference).assignment
    assert port(catalog(service(), *slices)) == port(reference)


def test_a_service_that_shall_be_divided_and_cannot_says_what_to_do() -> None:
    filled = catalog(service(policy="shards: {label: shard}"), endpoint_slice(endpoint("10.0.0.1", pod="a")))
    assert "divides it by the Pod label shard" in filled.undivided["prod", "payments"]
    assert "--watch-pods" in filled.undivided["prod", "payments"]
    filled.apply([pod("a", shard="7")], ())
    assert not filled.undivided
    filled.apply((), [("Pod", "prod", "a")])
    assert filled.undivided
    filled.apply((), [("Service", "prod", "payments")])
    assert not filled.undivided
