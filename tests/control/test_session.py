"""What a client's stream means for the census and the metrics, without a network."""

from collections.abc import Hashable, Mapping
from typing import Any

import pytest
import structlog

from tests.control.objects import endpoint, endpoint_slice, service
from tests.xds.envoy_messages import discovery_pb2
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.kubernetes import Object, ServicePortSpec
from trimtab.control.metrics import Metrics
from trimtab.control.resource_store import ResourceStore
from trimtab.control.session import Session
from trimtab.model import Locality
from trimtab.xds.discovery import ClientNode, DiscoveryRequest
from trimtab.xds.identifier import read_identifier
from trimtab.xds.resource import Audience
from trimtab.xds.resource_type import CLUSTERS, ENDPOINTS
from trimtab.xds.server_stream import ServerStream
from trimtab.xds.sotw import StateOfTheWorld

PAYMENTS, ORDERS = "payments.prod:8080", "orders.prod:8080"


class Client:
    """A client of zone `a` whose requests go to a session directly."""

    def __init__(self) -> None:
        self.catalog, self.census, self.metrics = Catalog(), Census(), Metrics()
        self.store = ResourceStore(self.catalog, self.census)
        self.apply(service(), endpoint_slice(endpoint("10.0.0.1")))
        self.session = Session("test", StateOfTheWorld(), self.store, self.census, self.metrics, only=None)
        self._nonce = self.told = ""
        self.wakes = 0
        self.session.wake = self._wake

    def _wake(self) -> None:
        self.wakes += 1

    def apply(self, *objects: Object) -> None:
        self.store.apply(self.catalog.apply(objects, ()))

    def ask(self, *names: str, type_url: str = ENDPOINTS) -> None:
        """Ask, and read what comes."""
        node = ClientNode(id="test", locality=Locality(zone="a"))
        self.session.receive(DiscoveryRequest(type_url, names, nonce=self._nonce, node=node).serialize())
        while (data := self.session.next_response()) is not None:
            response = discovery_pb2.DiscoveryResponse.FromString(data)
            self._nonce, self.told = response.nonce, response.control_plane.identifier

    def counted(self, name: str = PAYMENTS) -> Mapping[str, int]:
        return dict(self.census.counts(name))


@pytest.fixture
def client() -> Client:
    return Client()


def test_a_client_counts_in_its_zone_once_however_many_names_it_uses(client: Client) -> None:
    client.ask(PAYMENTS, "payments.prod", "payments.prod:grpc")
    assert client.counted() == {"a": 1}
    client.ask("payments.prod")
    assert client.counted() == {"a": 1}


def test_a_client_that_asks_no_more_does_not_count(client: Client) -> None:
    client.ask(PAYMENTS)
    client.ask()
    assert client.counted() == {}


def test_a_client_that_is_gone_does_not_count(client: Client) -> None:
    client.ask(PAYMENTS)
    client.session.close()
    assert client.counted() == {}
    assert client.store.watchers == 0


def test_a_client_of_a_service_that_springs_to_life_counts_from_its_ack_on(client: Client) -> None:
    client.ask(ORDERS)
    client.apply(service(name="orders"))
    client.ask(ORDERS)
    assert client.counted(ORDERS) == {"a": 1}


def test_a_client_counts_for_the_port_that_its_name_means_by_now(client: Client) -> None:
    client.ask("payments.prod")
    client.apply(service(ServicePortSpec(9090, "grpc")))
    client.ask("payments.prod")
    assert client.counted() == {}
    assert client.counted("payments.prod:9090") == {"a": 1}
    client.session.close()
    assert client.counted("payments.prod:9090") == {}


def test_who_follows_every_cluster_is_not_disturbed_when_clients_are_counted(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    envoy = Session("envoy", StateOfTheWorld(), client.store, client.census, client.metrics, only=None)
    heard: list[Hashable] = []
    changed = ServerStream.changed

    def noted(stream: ServerStream, subject: Hashable, *more: Any) -> bool:
        if stream is envoy.stream:
            heard.append(subject)
        return changed(stream, subject, *more)

    monkeypatch.setattr(ServerStream, "changed", noted)
    envoy.receive(DiscoveryRequest(CLUSTERS, ("*",)).serialize())
    client.ask(PAYMENTS)
    assert heard == []
    client.apply(service(name="orders"))
    assert [str(subject) for subject in heard] == [ORDERS]
    envoy.close()


def test_a_client_that_follows_no_endpoints_does_not_count(client: Client) -> None:
    client.ask(PAYMENTS, type_url=CLUSTERS)
    assert client.counted() == {}


def test_an_ack_does_not_look_at_names_that_were_counted(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.ask(PAYMENTS)
    looked_at: list[str] = []
    subject = client.store.subject

    def noted(type_url: str, name: str, audience: Audience) -> Hashable | None:
        looked_at.append(name)
        return subject(type_url, name, audience)

    monkeypatch.setattr(client.store, "subject", noted)
    client.ask(PAYMENTS)
    assert looked_at == []
    client.ask(PAYMENTS, ORDERS)
    assert set(looked_at) == {ORDERS}


def test_a_change_that_waits_for_an_answer_wakes_nobody_and_counts_from_when_it_happened(client: Client) -> None:
    client.session.receive(DiscoveryRequest(ENDPOINTS, (PAYMENTS,)).serialize())
    assert client.session.next_response() is not None
    client.wakes = 0
    client.apply(endpoint_slice(endpoint("10.0.0.2")))
    client.apply(endpoint_slice(endpoint("10.0.0.3")))
    assert client.wakes == 0
    assert client.metrics.registry.get_sample_value("trimtab_xds_coalesced_changes_total", {"type": "eds"}) == 1
    client.session.receive(DiscoveryRequest(ENDPOINTS, (PAYMENTS,), nonce="1").serialize())
    assert client.wakes == 1
    assert client.session.next_response() is not None
    client.session.receive(DiscoveryRequest(ENDPOINTS, (PAYMENTS,), nonce="2").serialize())
    assert client.metrics.registry.get_sample_value("trimtab_propagation_seconds_count", {"type": "eds"}) == 1
    assert client.session.next_response() is None


def test_how_long_a_push_takes_is_counted_once_it_is_answered_and_once_only(client: Client) -> None:
    def counted() -> float | None:
        return client.metrics.registry.get_sample_value("trimtab_xds_push_seconds_count")

    client.ask(PAYMENTS)
    assert counted() == 0
    client.ask(PAYMENTS)
    assert counted() == 1
    client.ask(PAYMENTS)
    assert counted() == 1, "the same again asks, and answers nothing"
    refused = DiscoveryRequest(ENDPOINTS, (PAYMENTS,), nonce="2", error="no")
    client.session.receive(refused.serialize())
    assert counted() == 2


def test_an_ack_alone_wakes_nobody(client: Client) -> None:
    client.ask(PAYMENTS)
    client.wakes = 0
    client.ask(PAYMENTS)
    assert client.wakes == 0


def test_a_type_that_is_not_served_is_logged_once(client: Client) -> None:
    route = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
    with structlog.testing.capture_logs() as logged:
        client.ask("a", type_url=route)
        client.ask("a", "b", type_url=route)
        client.ask(PAYMENTS)
    assert [(entry["event"], entry["type"], entry["node"]) for entry in logged] == [
        ("a client asks for a type that is not served", route, "test")
    ]


def test_a_client_is_told_its_zone_with_its_endpoints(client: Client) -> None:
    client.ask(PAYMENTS)
    said = read_identifier(client.told)
    assert said is not None
    assert said.zone == "a"


def test_who_follows_a_service_by_name_and_all_clusters_hears_of_a_change_once(client: Client) -> None:
    client.ask(type_url=CLUSTERS)
    client.ask(PAYMENTS)
    client.apply(endpoint_slice(endpoint("10.0.0.2")))
    for kind in ("cds", "eds"):
        assert client.metrics.registry.get_sample_value("trimtab_xds_coalesced_changes_total", {"type": kind}) == 0
