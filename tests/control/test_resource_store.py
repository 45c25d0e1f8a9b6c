import itertools
import weakref
from collections.abc import Hashable

import msgspec
import pytest
from structlog.testing import capture_logs

from tests.control.objects import endpoint, endpoint_slice, pod, service
from tests.xds.envoy_messages import cluster_pb2, endpoint_pb2, listener_pb2
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.kubernetes import Object
from trimtab.control.readiness import Readiness
from trimtab.control.resource_store import ResourceStore
from trimtab.model import Assignment, Locality, ServiceRef
from trimtab.xds.assignment import decode_assignment
from trimtab.xds.dialect import Dialect
from trimtab.xds.discovery import ClientNode
from trimtab.xds.resource import Audience, Resource
from trimtab.xds.resource_type import CENSUS, CLUSTERS, ENDPOINTS, LISTENERS
from trimtab.xds.wire import text

PAYMENTS = "payments.prod:8080"
REF = ServiceRef("payments", "prod", "8080")
ANYONE = Audience()


class Shop:
    """A store and the catalog it serves."""

    def __init__(self, *objects: Object, catalog: Catalog | None = None) -> None:
        self.catalog = catalog or Catalog()
        self.census = Census()
        self.store = ResourceStore(self.catalog, self.census)
        self.apply(*objects)

    def apply(self, *objects: Object) -> None:
        self.store.apply(self.catalog.apply(objects, ()))

    def get(self, type_url: str, name: str = PAYMENTS, audience: Audience = ANYONE) -> Resource:
        resource = self.store.get(type_url, name, audience)
        assert resource is not None
        return resource

    def weights(self, zone: str) -> dict[str, int]:
        body = self.get(ENDPOINTS, audience=Audience(zone=zone)).body
        message = endpoint_pb2.ClusterLoadAssignment.FromString(body)
        return {group.locality.zone: group.load_balancing_weight.value for group in message.endpoints}


def three_zones() -> Shop:
    return Shop(service(), endpoint_slice(*(endpoint(f"10.0.0.{i}", zone=zone) for i, zone in enumerate("aabbcc", 1))))


def test_every_type_of_a_service_is_there() -> None:
    shop = Shop(service(), endpoint_slice(endpoint("10.0.0.1")))
    assert endpoint_pb2.ClusterLoadAssignment.FromString(shop.get(ENDPOINTS).body).endpoints
    assert cluster_pb2.Cluster.FromString(shop.get(CLUSTERS).body).type == cluster_pb2.Cluster.EDS
    assert listener_pb2.Listener.FromString(shop.get(LISTENERS).body).HasField("api_listener")
    assert shop.store.get("type.googleapis.com/envoy.Secret", PAYMENTS, ANYONE) is None


def test_all_names_of_a_service_share_one_body() -> None:
    shop = Shop(service(), endpoint_slice(endpoint("10.0.0.1")))
    bodies = [shop.get(ENDPOINTS, name).body for name in (PAYMENTS, "payments.prod", "payments.prod:grpc")]
    assert all(body is bodies[0] for body in bodies)


def test_the_wildcard_names_every_service_port_once() -> None:
    shop = Shop(service(), service(name="orders"), endpoint_slice(endpoint("10.0.0.1")))
    assert sorted(shop.store.all_names(CLUSTERS)) == ["orders.prod:8080", PAYMENTS]


def test_a_bare_name_is_looked_up_where_the_client_is() -> None:
    shop = Shop(service())
    audience = shop.store.audience(ClientNode(metadata={"NAMESPACE": "prod"}))
    assert shop.store.get(ENDPOINTS, "payments:8080", audience) is not None
    assert shop.store.get(ENDPOINTS, "payments:8080", ANYONE) is None


@pytest.mark.parametrize("type_url", [LISTENERS, CLUSTERS, ENDPOINTS])
def test_names_of_federated_xds_are_not_served_and_the_client_is_told(type_url: str) -> None:
    shop = Shop(service())
    name = f"xdstp://authority/{type_url.rpartition('/')[2]}/payments.prod:8080"
    assert shop.store.get(type_url, name, ANYONE) is None
    assert "scheme 'xdstp' is not served by Trimtab" in shop.store.why_missing(name, ANYONE)


def test_each_dialect_gets_its_own_cluster() -> None:
    shop = Shop(service())
    envoy = shop.get(CLUSTERS, audience=Audience(dialect=Dialect.ENVOY))
    assert envoy.version != shop.get(CLUSTERS).version


def test_an_envoy_is_sent_no_listener() -> None:
    assert Shop(service()).store.get(LISTENERS, PAYMENTS, Audience(dialect=Dialect.ENVOY)) is None


def test_those_who_watch_a_name_hear_of_its_changes_and_of_no_other() -> None:
    shop = Shop(service(), service(name="orders"))
    heard: list[Hashable] = []
    shop.store.watch(REF, heard.append)
    shop.apply(endpoint_slice(endpoint("10.0.0.3"), name="orders-1", of="orders"))
    assert heard == []
    shop.apply(endpoint_slice(endpoint("10.0.0.1")))
    assert heard == [REF]
    shop.store.unwatch(REF, heard.append)
    assert shop.store.watchers == 0


def test_a_refused_assignment_keeps_the_last_good_one() -> None:
    shop = Shop(service(), endpoint_slice(endpoint("10.0.0.1")))
    before = shop.get(ENDPOINTS)
    shop.apply(endpoint_slice(endpoint("not-an-address")))
    assert shop.get(ENDPOINTS) == before
    assert "all 1 endpoints are invalid" in shop.store.refused[REF]
    shop.apply(endpoint_slice(endpoint("10.0.0.2")))
    assert shop.store.refused == {}
    assert shop.get(ENDPOINTS) != before


def test_without_a_census_every_zone_sees_plain_capacity() -> None:
    shop = three_zones()
    assert shop.weights("a") == shop.weights("") == {"a": 2, "b": 2, "c": 2}


def test_with_a_census_calls_stay_in_their_zone_and_no_zone_is_left_out() -> None:
    shop = three_zones()
    for zone in "abc" * 5:
        shop.census.joined(PAYMENTS, zone)
    shop.census.warm()
    shop.store.census_changed(PAYMENTS)
    assert shop.weights("a") == {"a": 10_000, "b": 1, "c": 1}
    assert shop.weights("") == {"a": 2, "b": 2, "c": 2}


def test_those_who_follow_a_service_hear_when_its_census_changes() -> None:
    shop = three_zones()
    heard: list[Hashable] = []
    shop.store.watch(ServiceRef("payments", "prod"), heard.append)
    shop.store.census_changed(PAYMENTS)
    assert heard == [ServiceRef("payments", "prod")]


def test_two_replicas_serve_the_same_bytes_for_the_same_state() -> None:
    objects: list[Object] = [
        service(),
        endpoint_slice(endpoint("10.0.0.1", zone="a")),
        endpoint_slice(endpoint("10.0.0.2"), name="s2"),
    ]
    first, second = Shop(*objects), Shop(*reversed(objects))
    for type_url in (ENDPOINTS, CLUSTERS, LISTENERS):
        assert first.get(type_url) == second.get(type_url)


def replica(began_at: float, *steps: Object) -> Shop:
    """A replica that took these in one after the other, one each second."""
    clock = itertools.count(began_at)
    shop = Shop(catalog=Catalog(Readiness(lambda: next(clock))))
    for step in steps:
        shop.apply(step)
    return shop


def test_replicas_that_saw_a_pod_become_ready_at_different_times_serve_one_version() -> None:
    steps = (
        service(),
        endpoint_slice(endpoint("10.0.0.1")),
        endpoint_slice(endpoint("10.0.0.1"), endpoint("10.0.0.2")),
    )
    first, second = (replica(began_at, *steps).get(ENDPOINTS) for began_at in (1000.0, 2000.0))
    assert first.version == second.version
    # All that differs is a date, which only Trimtab's own clients read.
    assert first.body != second.body
    assert _decoded(first) == _decoded(second)
    assert _dates(first)["10.0.0.1"] is None
    assert _dates(first)["10.0.0.2"] != _dates(second)["10.0.0.2"]


def test_replicas_that_follow_pods_serve_the_same_bytes_whenever_they_looked() -> None:
    dated = [msgspec.structs.replace(pod(name), ready_since=at) for name, at in (("a", 700.0), ("b", 800.0))]
    endpoints = [endpoint("10.0.0.1", pod="a"), endpoint("10.0.0.2", pod="b")]
    early = replica(1000.0, *dated, service(), endpoint_slice(*endpoints[:1]), endpoint_slice(*endpoints))
    late = replica(2000.0, endpoint_slice(*endpoints), service(), *reversed(dated))
    assert early.get(ENDPOINTS) == late.get(ENDPOINTS)
    assert _dates(early.get(ENDPOINTS)) == {"10.0.0.1": 700.0, "10.0.0.2": 800.0}


def _decoded(resource: Resource) -> Assignment:
    return decode_assignment(text(1, PAYMENTS) + resource.body)


def _dates(resource: Resource) -> dict[str, float | None]:
    return {endpoint.address: endpoint.ready_since for _, endpoint in _decoded(resource).endpoints()}


def test_a_repair_is_logged_once_and_known_for_as_long_as_it_is_needed() -> None:
    spoilt = [endpoint("10.0.0.1"), endpoint("10.0.0.1%eth0")]
    with capture_logs() as logs:
        shop = Shop(service(), endpoint_slice(*spoilt))
        shop.apply(endpoint_slice(*spoilt, endpoint("10.0.0.2")))
        assert shop.store.repaired == {REF: ("dropped 10.0.0.1%eth0:9090: not an IP address",)}
        shop.apply(endpoint_slice(*spoilt, endpoint("10.0.0.2%eth0")))
        shop.apply(endpoint_slice(endpoint("10.0.0.1")))
    assert [line["repairs"] for line in logs if line["event"] == "assignment repaired"] == [
        ["dropped 10.0.0.1%eth0:9090: not an IP address"],
        ["dropped 10.0.0.2%eth0:9090: not an IP address"],
    ]
    assert shop.store.repaired == {}


def test_a_thousand_repairs_are_one_line_of_the_log() -> None:
    with capture_logs() as logs:
        Shop(service(), endpoint_slice(endpoint("10.0.0.1"), *(endpoint(f"pod-{index}") for index in range(1000))))
    (line,) = [line for line in logs if line["event"] == "assignment repaired"]
    assert len(line["repairs"]) + line["more"] == 1000


def test_nothing_is_known_any_more_of_a_service_that_is_gone() -> None:
    shop = Shop(service(), endpoint_slice(endpoint("10.0.0.1"), endpoint("pod-2")))
    assert shop.store.repaired
    shop.store.apply(shop.catalog.apply((), [service().key]))
    assert shop.store.repaired == {}


def test_what_a_client_says_is_kept_only_as_far_as_it_may_mean_something() -> None:
    shop = Shop(service(), endpoint_slice(endpoint("10.0.0.1")))
    endless = "x" * 1_000_000
    node = ClientNode(locality=Locality(zone=endless), metadata={"NAMESPACE": endless, "NODE_NAME": endless})
    audience = shop.store.audience(node)
    assert max(map(len, (audience.namespace, audience.zone, audience.node))) == 253
    asked = weakref.ref(name := Name(endless))
    assert shop.store.subject(ENDPOINTS, name, audience) is None
    assert shop.store.get(ENDPOINTS, name, audience) is None
    del name
    assert asked() is None


class Name(str):
    """Text of which one can tell whether anybody keeps it."""


def test_a_client_that_is_counted_leaves_at_hand_what_others_in_its_place_are_told() -> None:
    made = ResourceStore(catalog := Catalog(), census := Census())
    made.apply(catalog.apply([service(), endpoint_slice(endpoint("10.0.0.1"))], ()))
    audience = Audience(zone="a")
    told = made.get(ENDPOINTS, "payments.prod:8080", audience)
    made.recounted("payments.prod:8080", shares_changed=census.joined("payments.prod:8080", "a"))
    assert told is not None
    assert list(made._told.values()) == [told]


def test_who_follows_the_census_hears_of_every_client_by_wildcard_and_by_name() -> None:
    made = ResourceStore(catalog := Catalog(), census := Census())
    made.apply(catalog.apply([service()], ()))
    everything, named = list[object](), list[object]()
    made.watch_all(CENSUS, everything.append)
    subject = made.subject(CENSUS, "payments.prod:8080", Audience())
    assert subject is not None
    made.watch(subject, named.append)
    made.recounted("payments.prod:8080", shares_changed=census.joined("payments.prod:8080", "a"))
    assert everything == named == [subject]
    made.unwatch_all(CENSUS, everything.append)
    made.recounted("payments.prod:8080", shares_changed=census.joined("payments.prod:8080", "a"))
    assert named == [subject, subject]
