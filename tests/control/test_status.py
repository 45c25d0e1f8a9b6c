"""The four states, and nothing in between."""

import time

import pytest

from tests.control.objects import endpoint, endpoint_slice, service
from tests.xds.envoy_messages import discovery_pb2
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.kubernetes import Object
from trimtab.control.metrics import Metrics
from trimtab.control.resource_store import ResourceStore
from trimtab.control.session import Session
from trimtab.control.status import ClientStatus, TypeStatus, client_kind, clients_status, nacked
from trimtab.model import Locality
from trimtab.xds.delta import Incremental
from trimtab.xds.delta_discovery import DeltaRequest
from trimtab.xds.discovery import ClientNode, DiscoveryRequest
from trimtab.xds.resource_type import CLUSTERS, ENDPOINTS
from trimtab.xds.server_stream import Wire
from trimtab.xds.sotw import StateOfTheWorld

PAYMENTS = "payments.prod:8080"
NODE = ClientNode(
    id="payer-1",
    user_agent="gRPC C-core linux",
    user_agent_version="C-core 1.85.1",
    locality=Locality(zone="a"),
    metadata={"NAMESPACE": "prod"},
)


class Client:
    """A client whose requests go to a session directly, so that nothing happens between two looks."""

    def __init__(self, wire: Wire | None = None) -> None:
        self.catalog, census = Catalog(), Census()
        self.store = ResourceStore(self.catalog, census)
        self.apply(service(), endpoint_slice(endpoint("10.0.0.1")))
        self.metrics = Metrics()
        self.session = Session(
            "ipv4:10.0.0.9:1", wire or StateOfTheWorld(), self.store, census, self.metrics, only=None
        )

    def apply(self, *objects: Object) -> None:
        self.store.apply(self.catalog.apply(objects, ()))

    def ask(self, type_url: str = ENDPOINTS, nonce: str = "", error: str | None = None) -> None:
        request = DiscoveryRequest(type_url, (PAYMENTS,), nonce=nonce, error=error, node=NODE)
        self.session.receive(request.serialize())

    def read(self) -> str:
        """The nonce of the next response."""
        data = self.session.next_response()
        assert data is not None
        return str(discovery_pb2.DiscoveryResponse.FromString(data).nonce)

    def settle(self) -> None:
        """What a server does when there is nothing to write."""
        assert self.session.next_response() is None

    @property
    def status(self) -> ClientStatus:
        (client,) = clients_status([self.session], time.monotonic())
        return client

    def eds(self) -> TypeStatus:
        return self.status.types["eds"]


@pytest.fixture
def client() -> Client:
    return Client()


def test_a_client_says_who_it_is(client: Client) -> None:
    client.ask()
    status = client.status
    assert (status.node, status.kind, status.version) == ("payer-1", "gRPC C-core", "1.85.1")
    assert (status.zone, status.namespace, status.peer) == ("a", "prod", "ipv4:10.0.0.9:1")
    assert 0 <= status.age_s < 60


def test_never_asked(client: Client) -> None:
    assert {state.state for state in client.status.types.values()} == {"never asked"}
    client.ask(CLUSTERS)
    assert client.eds() == TypeStatus("never asked")
    assert client.status.types["cds"].state == "waiting"


def test_waiting_from_the_question_until_the_answer_is_acked(client: Client) -> None:
    client.ask()
    assert client.eds().state == "waiting"
    nonce = client.read()
    assert (client.eds().state, client.eds().version) == ("waiting", "")
    client.ask(nonce=nonce)
    client.settle()
    assert client.eds().state == "acked"
    assert client.eds().version


def test_acked_names_the_version_that_the_client_has(client: Client) -> None:
    client.ask()
    client.ask(nonce=client.read())
    client.settle()
    first = client.eds().version
    client.apply(endpoint_slice(endpoint("10.0.0.2")))
    # Changed, and nothing was written yet: to call this acked would be a lie.
    assert (client.eds().state, client.eds().version) == ("waiting", first)
    nonce = client.read()
    assert (client.eds().state, client.eds().version) == ("waiting", first)
    client.ask(nonce=nonce)
    client.settle()
    assert client.eds().state == "acked"
    assert client.eds().version != first


def test_a_nack_is_never_shown_as_anything_else_until_something_newer_is_sent(client: Client) -> None:
    client.ask()
    client.ask(nonce=client.read())
    good = client.eds().version
    client.apply(endpoint_slice(endpoint("10.0.0.2")))
    client.ask(nonce=client.read(), error="no such locality")
    client.settle()
    assert (client.eds().state, client.eds().error, client.eds().version) == ("nacked", "no such locality", good)
    assert nacked([client.session], ENDPOINTS) == 1
    assert nacked([client.session], CLUSTERS) == 0
    client.apply(endpoint_slice(endpoint("10.0.0.3")))
    nonce = client.read()
    assert client.eds().state == "waiting"
    client.ask(nonce=nonce)
    client.settle()
    assert (client.eds().state, client.eds().error) == ("acked", "")
    assert nacked([client.session], ENDPOINTS) == 0


def test_a_client_that_came_back_with_everything_is_acked_though_it_was_sent_nothing() -> None:
    client = Client(Incremental())
    held = client.store.get(ENDPOINTS, PAYMENTS, client.session.stream.audience)
    assert held is not None
    request = DeltaRequest(ENDPOINTS, (PAYMENTS,), initial_versions={PAYMENTS: held.version}, node=NODE)
    client.session.receive(request.serialize())
    client.settle()
    assert client.eds().state == "acked"
    assert client.eds().version


def test_ages_are_from_the_moment_the_state_began(client: Client) -> None:
    client.ask()
    nonce = client.read()
    sent_by = time.monotonic()
    (later,) = clients_status([client.session], sent_by + 700)
    assert 700 <= later.types["eds"].age_s < 760
    client.ask(nonce=nonce)
    client.settle()
    (later,) = clients_status([client.session], time.monotonic() + 300)
    assert (later.types["eds"].state, 300 <= later.types["eds"].age_s < 360) == ("acked", True)


def test_what_a_client_says_is_repeated_only_so_far(client: Client) -> None:
    client.ask()
    client.ask(nonce=client.read(), error="x" * 100_000)
    client.settle()
    assert len(client.eds().error) == 1000


def test_a_type_that_is_not_served_is_shown_by_its_url(client: Client) -> None:
    secret = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
    client.ask(secret)
    assert client.status.types[secret].state == "waiting"


@pytest.mark.parametrize(
    ("user_agent", "kind"),
    [
        ("envoy", "Envoy"),
        ("gRPC C-core linux", "gRPC C-core"),
        ("gRPC Go", "gRPC Go"),
        ("trimtab-python", "trimtab-python"),
        ("", "unknown"),
    ],
)
def test_kinds(user_agent: str, kind: str) -> None:
    assert client_kind(user_agent) == kind


def test_a_change_that_overtakes_another_is_counted_by_its_type(client: Client) -> None:
    client.ask()
    nonce = client.read()
    for host in (2, 3, 4):
        client.apply(endpoint_slice(endpoint(f"10.0.0.{host}")))

    def sample(name: str) -> float | None:
        return client.metrics.registry.get_sample_value(name, {"type": "eds"})

    assert sample("trimtab_xds_coalesced_changes_total") == 2
    assert sample("trimtab_propagation_seconds_count") == 0
    client.ask(nonce=nonce)
    client.ask(nonce=client.read())
    assert sample("trimtab_propagation_seconds_count") == 1


def test_an_answer_to_a_question_is_no_propagation(client: Client) -> None:
    client.ask()
    client.read()
    client.apply(endpoint_slice(endpoint("10.0.0.2")))
    client.ask(CLUSTERS)
    client.ask(CLUSTERS, nonce=client.read())
    count = client.metrics.registry.get_sample_value("trimtab_propagation_seconds_count", {"type": "cds"})
    assert count == 0
