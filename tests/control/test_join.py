"""How Services, EndpointSlices and Nodes become assignments: the rules of the EndpointSlice API, one test each."""

import pytest

from tests.control.catalogs import catalog, endpoints, port
from tests.control.objects import endpoint, endpoint_slice, node, service
from trimtab.control.kubernetes import ServicePortSpec, SliceEndpoint, SlicePort
from trimtab.model import Endpoint, Health, Locality, ServiceRef


def health_of(slice_endpoint: SliceEndpoint) -> Health | None:
    found = endpoints(catalog(service(), endpoint_slice(slice_endpoint)))
    return found[0].health if found else None


@pytest.mark.parametrize(
    ("ready", "serving", "terminating", "expected"),
    [
        (None, None, None, Health.HEALTHY),
        (True, None, None, Health.HEALTHY),
        (True, True, False, Health.HEALTHY),
        (False, None, None, None),
        (False, False, False, None),
        (False, True, False, None),
        (False, True, True, Health.DRAINING),
        (False, None, True, Health.DRAINING),
        (False, False, True, None),
        # What publishNotReadyAddresses makes of a terminating Pod.
        (True, False, True, Health.HEALTHY),
    ],
)
def test_conditions_that_are_not_said_count_as_kubernetes_defines_them(
    ready: bool | None, serving: bool | None, terminating: bool | None, expected: Health | None
) -> None:
    found = health_of(endpoint("10.0.0.1", ready=ready, serving=serving, terminating=terminating))
    assert found is expected


def test_an_endpoint_takes_the_port_of_its_slice_not_of_the_service() -> None:
    filled = catalog(service(), endpoint_slice(endpoint("10.0.0.1")))
    assert endpoints(filled) == [Endpoint("10.0.0.1", 9090)]


def test_ports_are_matched_by_name() -> None:
    filled = catalog(
        service(ServicePortSpec(8080, "grpc"), ServicePortSpec(9000, "metrics")),
        endpoint_slice(endpoint("10.0.0.1"), ports=[SlicePort(1111, "metrics"), SlicePort(2222, "grpc")]),
    )
    assert endpoints(filled) == [Endpoint("10.0.0.1", 2222)]
    assert endpoints(filled, ServiceRef("payments", "prod", "9000")) == [Endpoint("10.0.0.1", 1111)]


def test_a_single_unnamed_port_matches_the_unnamed_port_of_the_slice() -> None:
    for name in (None, ""):
        filled = catalog(
            service(ServicePortSpec(8080)), endpoint_slice(endpoint("10.0.0.1"), ports=[SlicePort(9090, name)])
        )
        assert endpoints(filled) == [Endpoint("10.0.0.1", 9090)]


def test_a_named_target_port_may_have_another_number_in_each_slice() -> None:
    filled = catalog(
        service(),
        endpoint_slice(endpoint("10.0.0.1"), name="old", ports=[SlicePort(9090, "grpc")]),
        endpoint_slice(endpoint("10.0.0.2"), name="new", ports=[SlicePort(9191, "grpc")]),
    )
    assert endpoints(filled) == [Endpoint("10.0.0.1", 9090), Endpoint("10.0.0.2", 9191)]


def test_a_slice_port_without_number_is_passed_over() -> None:
    assert endpoints(catalog(service(), endpoint_slice(endpoint("10.0.0.1"), ports=[SlicePort(None, "grpc")]))) == []


def test_udp_ports_are_not_balanced() -> None:
    filled = catalog(service(ServicePortSpec(53, "dns", protocol="UDP")))
    assert filled.service_ports() == []


def test_an_endpoint_in_two_slices_is_there_once_as_the_later_one_says() -> None:
    filled = catalog(
        service(),
        endpoint_slice(endpoint("10.0.0.1", pod="a", ready=True), name="payments-2"),
        endpoint_slice(endpoint("10.0.0.1", pod="a", ready=False, terminating=True), name="payments-1"),
    )
    assert [e.health for e in endpoints(filled)] == [Health.DRAINING]
    filled.apply([endpoint_slice(endpoint("10.0.0.1", pod="a", ready=True), name="payments-2")], ())
    assert [e.health for e in endpoints(filled)] == [Health.HEALTHY]


def test_where_the_later_slice_says_that_a_pod_is_not_ready_the_earlier_one_is_not_believed() -> None:
    earlier = endpoint_slice(endpoint("10.0.0.1", pod="a", ready=True), name="payments-1")
    later = endpoint_slice(endpoint("10.0.0.1", pod="a", ready=False), name="payments-2")
    assert endpoints(catalog(service(), earlier, later)) == []
    assert [e.hostname for e in endpoints(catalog(service(), later, earlier))] == ["a"]


def test_an_address_belongs_to_the_pod_that_was_heard_of_last() -> None:
    filled = catalog(
        service(),
        endpoint_slice(endpoint("10.0.0.1", pod="a"), name="payments-1"),
        endpoint_slice(endpoint("10.0.0.1", pod="b"), name="payments-2"),
        endpoint_slice(endpoint("10.0.0.1", pod="a"), name="payments-3"),
    )
    assert [e.hostname for e in endpoints(filled)] == ["a"]


def test_an_address_that_passed_to_another_pod_is_there_once() -> None:
    filled = catalog(
        service(),
        endpoint_slice(endpoint("10.0.0.1", pod="old"), name="payments-1"),
        endpoint_slice(endpoint("10.0.0.1", pod="new"), name="payments-2"),
    )
    assert [e.hostname for e in endpoints(filled)] == ["new"]


def test_the_pod_behind_an_endpoint_is_kept() -> None:
    (found,) = endpoints(catalog(service(), endpoint_slice(endpoint("10.0.0.1", pod="a"))))
    assert (found.hostname, found.uid) == ("a", "uid-a")


def test_the_zone_comes_from_the_slice_and_the_region_from_the_node() -> None:
    filled = catalog(
        service(),
        endpoint_slice(endpoint("10.0.0.1", node="n1", zone="eu-a"), endpoint("10.0.0.2", node="n2")),
        node("n1", region="eu", zone="not-asked"),
        node("n2", region="eu", zone="eu-b"),
    )
    assert [g.locality for g in port(filled).assignment.localities] == [Locality("eu", "eu-a"), Locality("eu", "eu-b")]


def test_without_nodes_there_is_no_region() -> None:
    filled = catalog(service(), endpoint_slice(endpoint("10.0.0.1", node="n1", zone="eu-a")))
    assert [g.locality for g in port(filled).assignment.localities] == [Locality("", "eu-a")]


def test_a_locality_weighs_its_healthy_endpoints_and_at_least_one() -> None:
    filled = catalog(
        service(),
        endpoint_slice(
            endpoint("10.0.0.1", zone="a"),
            endpoint("10.0.0.2", zone="a"),
            endpoint("10.0.0.3", zone="b", ready=False, terminating=True),
        ),
    )
    assert [(g.locality.zone, g.weight) for g in port(filled).assignment.localities] == [("a", 2), ("b", 1)]


def test_a_selectorless_service_is_served_from_slices_made_by_hand() -> None:
    assert endpoints(catalog(service(), endpoint_slice(endpoint("192.0.2.7")))) == [Endpoint("192.0.2.7", 9090)]


def test_a_headless_service_may_leave_its_ports_to_its_slices() -> None:
    headless = service(cluster_ip="None")
    headless = type(headless)(headless.metadata, type(headless.spec)(cluster_ip="None"))
    filled = catalog(headless, endpoint_slice(endpoint("10.0.0.1")))
    assert endpoints(filled, ServiceRef("payments", "prod", "9090")) == [Endpoint("10.0.0.1", 9090)]
    assert endpoints(filled, ServiceRef("payments", "prod", "grpc")) == [Endpoint("10.0.0.1", 9090)]


@pytest.mark.parametrize(
    ("families", "address", "additional"),
    [
        (None, "10.0.0.1", "fd00::1"),
        (["IPv4", "IPv6"], "10.0.0.1", "fd00::1"),
        (["IPv6", "IPv4"], "fd00::1", "10.0.0.1"),
    ],
)
def test_the_two_families_of_a_pod_are_one_endpoint(families: list[str] | None, address: str, additional: str) -> None:
    filled = catalog(
        service(ip_families=families),
        endpoint_slice(endpoint("10.0.0.1", pod="a"), name="v4"),
        endpoint_slice(endpoint("fd00::1", pod="a"), name="v6", address_type="IPv6"),
    )
    assert endpoints(filled) == [Endpoint(address, 9090, additional_addresses=(additional,), hostname="a", uid="uid-a")]


def test_slices_of_several_managers_are_one_service() -> None:
    """The controller's, a mesh's, and those mirrored from Endpoints, which may name no Pod."""
    managers = ("endpointslice-controller.k8s.io", "mesh.example", "endpointslicemirroring-controller.k8s.io")
    parts = [endpoint_slice(endpoint(f"10.0.0.{n}"), name=f"payments-{n}") for n in range(len(managers))]
    for part, manager in zip(parts, managers, strict=True):
        assert part.metadata.labels is not None
        part.metadata.labels["endpointslice.kubernetes.io/managed-by"] = manager
    # Mirrored Endpoints and the slice they became a copy of list the same address.
    parts.append(endpoint_slice(endpoint("10.0.0.0"), name="payments-mirrored"))
    assert [found.address for found in endpoints(catalog(service(), *parts))] == ["10.0.0.0", "10.0.0.1", "10.0.0.2"]


def test_fqdn_slices_are_passed_over() -> None:
    filled = catalog(service(), endpoint_slice(endpoint("db.example"), address_type="FQDN"))
    assert endpoints(filled) == []


@pytest.mark.parametrize(
    ("spec", "http2"),
    [
        (ServicePortSpec(80, "grpc"), True),
        (ServicePortSpec(80, "grpc-web-internal"), True),
        (ServicePortSpec(80, "web", app_protocol="kubernetes.io/h2c"), True),
        (ServicePortSpec(80, "grpc", app_protocol="http"), False),
        (ServicePortSpec(80, "http"), False),
        (ServicePortSpec(80), False),
    ],
)
def test_whether_endpoints_speak_http2_is_read_from_the_port(spec: ServicePortSpec, http2: bool) -> None:
    assert port(catalog(service(spec)), ServiceRef("payments", "prod", "80")).http2 is http2
