"""What is said about a service, against what the join and the gate did with it."""

import random
from dataclasses import replace

import pytest

from tests.control.objects import endpoint, endpoint_slice, node, pod, service
from trimtab.balance import Balancer, Connectivity, explain
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.endpoints_report import EndpointsReport, endpoints_report
from trimtab.control.kubernetes import Object, ServicePortSpec, SlicePort
from trimtab.control.resource_store import ResourceStore
from trimtab.model import Policy, ServiceRef
from trimtab.xds.resource import Audience
from trimtab.xds.resource_type import ENDPOINTS

REF = ServiceRef("payments", "prod", "8080")


class Shop:
    """A catalog, the store that serves it, and the census."""

    def __init__(self, *objects: Object) -> None:
        self.catalog, self.census = Catalog(), Census()
        self.store = ResourceStore(self.catalog, self.census)
        self.apply(*objects)

    def apply(self, *objects: Object) -> None:
        self.store.apply(self.catalog.apply(objects, ()))

    def report(self, zone: str = "") -> EndpointsReport:
        port = self.catalog.get(REF)
        assert port is not None
        return endpoints_report(port, zone, self.catalog, self.store, self.census)


def reasons(report: EndpointsReport) -> dict[str, str]:
    return {item.address: item.why for item in report.left_out}


def told(report: EndpointsReport) -> dict[str, tuple[str, str]]:
    return {e.address: (e.health, e.slice) for group in report.localities for e in group.endpoints}


def test_every_endpoint_says_where_it_comes_from() -> None:
    shop = Shop(
        node("n1", "eu", "a"),
        service(),
        endpoint_slice(endpoint("10.0.0.1", pod="pay-1", node="n1")),
        endpoint_slice(endpoint("10.0.0.2", ready=False, serving=True, terminating=True), name="payments-2"),
    )
    report = shop.report()
    assert told(report) == {"10.0.0.1:9090": ("healthy", "payments-1"), "10.0.0.2:9090": ("draining", "payments-2")}
    (first,) = report.localities[1].endpoints
    assert (report.localities[1].locality, first.pod, first.node) == ("eu/a", "pay-1", "n1")
    assert report.left_out == []
    assert report.names == ["payments.prod", "payments.prod:8080", "payments.prod:grpc"]


def test_what_is_not_ready_is_left_out_and_named() -> None:
    shop = Shop(
        service(),
        endpoint_slice(
            endpoint("10.0.0.1", pod="pay-1"),
            endpoint("10.0.0.2", ready=False, pod="pay-2"),
            endpoint("10.0.0.3", ready=False, serving=False, terminating=True),
        ),
    )
    report = shop.report()
    assert reasons(report) == {
        "10.0.0.2:9090": "not ready",
        "10.0.0.3:9090": "terminating, and no longer serving",
    }
    assert report.left_out[0].pod == "pay-2"


def test_a_pod_in_two_slices_counts_where_it_was_applied_last() -> None:
    shop = Shop(
        service(),
        endpoint_slice(endpoint("10.0.0.1", pod="pay-1"), endpoint("10.0.0.2")),
        endpoint_slice(endpoint("10.0.0.1", pod="pay-1", ready=False), name="payments-2"),
    )
    report = shop.report()
    assert told(report) == {"10.0.0.2:9090": ("healthy", "payments-1")}
    assert [(item.slice, item.why) for item in report.left_out] == [
        ("payments-1", "duplicate: slice payments-2 lists it too, was applied later, and counts"),
        ("payments-2", "not ready"),
    ]


def test_a_pod_listed_twice_in_a_slice_counts_once() -> None:
    report = Shop(service(), endpoint_slice(endpoint("10.0.0.1"), endpoint("10.0.0.1"))).report()
    assert told(report) == {"10.0.0.1:9090": ("healthy", "payments-1")}
    assert list(reasons(report).values()) == ["duplicate: the same slice lists it again further down, which counts"]


def test_an_address_that_the_next_pod_has_by_now_is_left_out() -> None:
    shop = Shop(
        service(),
        endpoint_slice(endpoint("10.0.0.1", pod="old")),
        endpoint_slice(endpoint("10.0.0.1", pod="new"), name="payments-2"),
    )
    report = shop.report()
    assert told(report) == {"10.0.0.1:9090": ("healthy", "payments-2")}
    assert [(item.pod, item.why) for item in report.left_out] == [
        ("old", "its address belongs to pod new of slice payments-2 by now")
    ]


def test_the_second_address_of_a_pod_is_not_left_out() -> None:
    shop = Shop(
        service(),
        endpoint_slice(endpoint("10.0.0.1", pod="pay-1")),
        endpoint_slice(endpoint("fd00::1", pod="pay-1"), name="payments-v6", address_type="IPv6"),
    )
    report = shop.report()
    ((only,),) = [group.endpoints for group in report.localities]
    assert (only.address, only.additional_addresses) == ("10.0.0.1:9090", ["fd00::1"])
    assert report.left_out == []


def test_a_slice_without_the_port_is_listed_as_one() -> None:
    shop = Shop(
        service(),
        endpoint_slice(endpoint("10.0.0.1")),
        endpoint_slice(endpoint("10.0.0.2"), name="payments-2", ports=[SlicePort(8080, "http")]),
    )
    assert [(source.slice, source.endpoints, source.port) for source in shop.report().slices] == [
        ("payments-1", 1, 9090),
        ("payments-2", 1, None),
    ]


def test_a_port_without_a_name_is_found() -> None:
    shop = Shop(service(ServicePortSpec(8080)), endpoint_slice(endpoint("10.0.0.1"), ports=[SlicePort(9090)]))
    assert told(shop.report()) == {"10.0.0.1:9090": ("healthy", "payments-1")}


def test_a_port_whose_name_is_a_number_is_found_by_its_name() -> None:
    shop = Shop(
        service(ServicePortSpec(8080, "9090")),
        endpoint_slice(endpoint("10.0.0.1"), ports=[SlicePort(7070, "9090"), SlicePort(9090, "8080")]),
    )
    assert told(shop.report()) == {"10.0.0.1:7070": ("healthy", "payments-1")}
    assert [(source.slice, source.port) for source in shop.report().slices] == [("payments-1", 7070)]


def test_repairs_of_the_gate_are_named_with_what_they_cost() -> None:
    shop = Shop(service(), endpoint_slice(endpoint("10.0.0.1"), endpoint("pay.example")))
    report = shop.report()
    assert told(report) == {"10.0.0.1:9090": ("healthy", "payments-1")}
    assert report.repairs == ["dropped pay.example:9090: not an IP address"]
    assert reasons(report) == {"pay.example:9090": "dropped before publishing; see repairs"}


def test_endpoints_that_were_refused_leave_the_last_good_ones_and_the_reason() -> None:
    shop = Shop(service(), endpoint_slice(endpoint("10.0.0.1")))
    shop.apply(endpoint_slice(endpoint("pay.example")))
    report = shop.report()
    assert told(report) == {"10.0.0.1:9090": ("healthy", "")}
    assert report.refused is not None
    assert report.refused.startswith("all 1 endpoints are invalid")
    assert reasons(report) == {
        "pay.example:9090": "newer than what is served: the newest endpoints were refused, the last good ones stay"
    }


def test_the_version_is_that_of_the_resource_that_is_served() -> None:
    shop = zones()
    for zone in ("", "a", "b"):
        resource = shop.store.get(ENDPOINTS, str(REF), Audience(zone=zone))
        assert resource is not None
        assert shop.report(zone).version == resource.version


def zones() -> Shop:
    shop = Shop(service(), endpoint_slice(*(endpoint(f"10.0.0.{i}", zone=zone) for i, zone in enumerate("aabb", 1))))
    for zone in "aab":
        shop.census.joined(str(REF), zone)
    shop.census.warm()
    return shop


def test_weights_of_a_known_zone_follow_the_census() -> None:
    shop = zones()
    report = shop.report("b")
    assert {group.locality: group.weight for group in report.localities} == {"a": 1, "b": 10000}
    assert {group.locality: round(group.share, 3) for group in report.localities} == {"a": 0, "b": 1}
    assert report.weights_follow == "zone: clients in sixtieths a 40, b 20; healthy endpoints a 2, b 2"
    assert report.clients == {"a": 2, "b": 1}


@pytest.mark.parametrize(
    ("zone", "why"),
    [("", "the zone of the client is not known"), ("c", "no client of zone c is counted")],
)
def test_weights_that_follow_capacity_say_why(zone: str, why: str) -> None:
    report = zones().report(zone)
    assert {group.locality: group.share for group in report.localities} == {"a": 0.5, "b": 0.5}
    assert report.weights_follow.startswith("capacity: ")
    assert report.weights_follow.endswith(f", because {why}")


def test_before_the_census_weights_follow_capacity() -> None:
    shop = Shop(service(), endpoint_slice(endpoint("10.0.0.1", zone="a")))
    assert shop.report("a").weights_follow.endswith("because the census of clients is not known (yet)")


def test_a_service_without_endpoints_has_nothing_to_tell() -> None:
    report = Shop(service()).report()
    assert (report.localities, report.left_out, report.slices) == ([], [], [])


@pytest.mark.parametrize("zone", ["a", "b"])
def test_a_client_explains_the_same_numbers(zone: str) -> None:
    shop = zones()
    served = shop.store.assignment(REF, zone)
    assert served is not None
    balancer = Balancer(Policy(), client_id="t", rng=random.Random(1), clock=lambda: 0.0)
    for opened in balancer.update(replace(served, client_zone=zone)).opened:
        balancer.connectivity_changed(opened, Connectivity.READY)
    explained = {
        state.address: (state.zone, state.priority, state.priority_share, round(state.zone_share, 3))
        for state in explain(balancer.belongings, now=0.0)
    }
    reported = {
        endpoint.address: (group.zone, group.priority, group.priority_share, round(group.zone_share, 3))
        for group in shop.report(zone).localities
        for endpoint in group.endpoints
    }
    assert reported == explained
    if zone == "a":
        # Two of three clients and two of four endpoints: three quarters of the calls stay.
        assert sorted({share for _, _, _, share in reported.values()}) == [0.25, 0.75]


def test_a_subset_is_shown_as_its_clients_see_it_and_the_others_by_their_label() -> None:
    shop = Shop(
        service(),
        *(pod(name, shard=shard) for name, shard in (("a", "7"), ("b", "8"))),
        endpoint_slice(endpoint("10.0.0.1", pod="a"), endpoint("10.0.0.2", pod="b"), endpoint("10.0.0.3", pod="c")),
    )
    shop.census.joined("payments.prod:8080/shard=7", "b")
    port = shop.catalog.get(REF)
    assert port is not None
    report = endpoints_report(port, "", shop.catalog, shop.store, shop.census, ("shard", "7"))
    assert (report.service, report.clients) == ("payments.prod:8080/shard=7", {"b": 1})
    assert told(report).keys() == {"10.0.0.1:9090"}
    assert reasons(report) == {
        "10.0.0.2:9090": "not shard=7: its Pod has shard=8",
        "10.0.0.3:9090": "not shard=7: its Pod has no label shard",
    }
    resource = shop.store.get(ENDPOINTS, report.service, Audience())
    assert resource is not None
    assert report.version == resource.version


def test_a_subset_by_labels_nobody_knows_says_where_they_come_from() -> None:
    shop = Shop(service(), endpoint_slice(endpoint("10.0.0.1", pod="a")))
    port = shop.catalog.get(REF)
    assert port is not None
    report = endpoints_report(port, "", shop.catalog, shop.store, shop.census, ("shard", "7"))
    assert not report.localities
    assert reasons(report)["10.0.0.1:9090"].endswith("no label shard; labels are known where Pods are (--watch-pods)")


def test_a_locality_where_everybody_drains_has_no_share_while_there_is_another() -> None:
    draining = endpoint("10.0.0.2", ready=False, serving=True, terminating=True, zone="b")
    shop = Shop(service(), endpoint_slice(endpoint("10.0.0.1", zone="a"), draining))
    assert {group.locality: group.share for group in shop.report().localities} == {"a": 1, "b": 0}
    shop.apply(endpoint_slice(draining))
    assert {group.locality: group.share for group in shop.report().localities} == {"b": 1}
