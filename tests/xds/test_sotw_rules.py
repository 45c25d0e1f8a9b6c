"""The rules of state-of-the-world xDS, one test each (Envoy's `xds_protocol` page)."""

import pytest

from tests.xds.shelf import Shelf, SotwClient, names
from trimtab.errors import ProtocolError
from trimtab.xds.discovery import ClientNode, DiscoveryRequest
from trimtab.xds.resource_type import CLUSTERS, ENDPOINTS, LISTENERS

A, B, C = "a.default:80", "b.default:80", "c.default:80"


@pytest.fixture
def client() -> SotwClient:
    return SotwClient(Shelf(A, B, C))


def test_the_node_of_the_first_request_is_kept(client: SotwClient) -> None:
    client.ask(A)
    assert client.stream.node.id == "client-1"


def test_a_later_request_may_leave_the_node_out_and_cannot_change_it(client: SotwClient) -> None:
    client.ask(A)
    client.response()
    for node in (None, ClientNode(id="somebody else")):
        request = DiscoveryRequest(ENDPOINTS, (A, B), nonce=client.last.nonce, node=node)
        client.stream.receive(request.serialize(), 0.0)
        client.responses()
    assert client.stream.node.id == "client-1"


def test_no_two_responses_have_the_same_nonce(client: SotwClient) -> None:
    nonces = []
    for version in "2345":
        client.ask(A)
        nonces += [response.nonce for response in client.responses()]
        client.shelf.put(A, version)
        client.changed(A)
    client.ask(B, type_url=CLUSTERS, nonce="")
    nonces += [response.nonce for response in client.responses()]
    assert len(set(nonces)) == len(nonces) == 5


def test_a_request_with_a_stale_nonce_is_not_answered(client: SotwClient) -> None:
    client.ask(A)
    stale = client.response().nonce
    client.ask(A)
    client.shelf.put(A, "2")
    client.changed(A)
    client.response()
    client.ask(A, B, nonce=stale)
    assert client.responses() == []


def test_what_a_stale_request_asked_for_is_answered_once_the_client_caught_up(client: SotwClient) -> None:
    client.ask(A)
    stale = client.response().nonce
    client.ask(A)
    client.shelf.put(A, "2")
    client.changed(A)
    client.response()
    client.ask(A, B, nonce=stale)
    client.ask(A, B)
    assert names(client.response()) == [B]


def test_a_nack_is_known_by_its_error_whatever_version_it_names(client: SotwClient) -> None:
    client.ask(A)
    client.response()
    client.ask(A, error="I do not like it")
    (subscription,) = client.stream.subscriptions
    assert subscription.delivery.refused == "I do not like it"
    assert subscription.delivery.acked_version == ""


def test_after_a_nack_the_same_content_is_not_sent_again(client: SotwClient) -> None:
    client.ask(A)
    client.response()
    client.ask(A, error="I do not like it")
    client.changed(A)
    assert client.responses() == []


def test_a_nack_that_is_repeated_asks_for_nothing(client: SotwClient) -> None:
    client.ask(A)
    client.response()
    client.ask(A, error="I do not like it")
    client.ask(A, error="I do not like it")
    assert client.responses() == []


def test_after_a_nack_a_changed_resource_is_sent(client: SotwClient) -> None:
    client.ask(A)
    client.response()
    client.ask(A, error="I do not like it")
    client.shelf.put(A, "2")
    client.changed(A)
    assert names(client.response()) == [A]


def test_an_ack_is_not_answered(client: SotwClient) -> None:
    client.ask(A)
    client.response()
    client.ask(A)
    assert client.responses() == []


def test_the_first_request_of_a_stream_is_answered_even_if_the_client_has_the_version() -> None:
    shelf = Shelf(A)
    before = SotwClient(shelf)
    before.ask(A)
    version = before.response().version_info
    after = SotwClient(shelf)
    after.last.version_info = version
    after.ask(A)
    assert after.response().version_info == version


def test_the_first_request_of_a_stream_is_answered_even_if_it_kept_the_nonce_of_another() -> None:
    client = SotwClient(Shelf(A))
    client.ask(A, nonce="7f")
    assert len(client.response().resources) == 1


def test_before_the_first_response_no_nonce_is_stale() -> None:
    client = SotwClient(Shelf(A))
    client.ask(nonce="7f")
    assert client.responses() == []
    client.ask(A, nonce="7f")
    assert names(client.response()) == [A]


def test_a_newly_named_resource_is_sent_alone(client: SotwClient) -> None:
    client.ask(A)
    client.response()
    client.ask(A, B)
    assert names(client.response()) == [B]


def test_an_unsubscribed_resource_is_sent_again_when_it_is_subscribed_again(client: SotwClient) -> None:
    client.ask(A, B)
    client.response()
    client.ask(A)
    client.ask(A, B)
    assert names(client.response()) == [B]


@pytest.mark.parametrize("type_url", [CLUSTERS, LISTENERS])
def test_a_response_of_clusters_or_listeners_holds_all_that_is_subscribed(type_url: str) -> None:
    client = SotwClient(Shelf(A, B, C), type_url)
    client.subscribe(A, B)
    client.shelf.put(A, "2")
    client.changed(A)
    assert sorted(names(client.response())) == [A, B]


def test_a_response_of_endpoints_holds_only_what_changed(client: SotwClient) -> None:
    client.subscribe(A, B)
    client.shelf.put(A, "2")
    client.changed(A)
    assert names(client.response()) == [A]


def test_what_was_unsubscribed_before_it_could_be_sent_is_not_sent(client: SotwClient) -> None:
    client.subscribe(A, B)
    client.shelf.put(B, "2")
    client.changed(B)
    client.ask(A)
    assert client.responses() == []


def test_a_name_asked_for_twice_is_sent_once(client: SotwClient) -> None:
    client.ask(A, A)
    assert names(client.response()) == [A]


def test_clusters_go_before_endpoints_and_endpoints_before_listeners(client: SotwClient) -> None:
    for type_url in (LISTENERS, ENDPOINTS, CLUSTERS):
        client.ask(A, type_url=type_url, nonce="")
    assert [response.type_url for response in client.responses()] == [CLUSTERS, ENDPOINTS, LISTENERS]


def test_endpoints_asked_for_again_after_a_cluster_changed_are_sent_again(client: SotwClient) -> None:
    client.ask(A)
    client.response()
    client.ask(A)
    assert client.responses() == []
    client.ask(A)
    assert names(client.response()) == [A]


def test_what_exists_is_answered_without_waiting_for_what_does_not(client: SotwClient) -> None:
    client.ask(A, "late.default:80")
    assert names(client.response()) == [A]


def test_a_burst_of_changes_becomes_one_response_with_the_newest_state(client: SotwClient) -> None:
    client.subscribe(A, B)
    client.shelf.put(A, "2")
    client.changed(A)
    first = client.response()
    assert names(first) == [A]
    for version in "3456":
        client.shelf.put(A, version)
        client.shelf.put(B, version)
        client.changed(A, B)
    assert client.responses() == []
    client.ask(A, B)
    assert sorted(names(client.response())) == [A, B]


def test_a_change_back_to_what_the_client_has_is_not_sent(client: SotwClient) -> None:
    client.subscribe(A)
    client.shelf.put(A, "2")
    client.shelf.put(A, "1")
    client.changed(A)
    assert client.responses() == []


@pytest.mark.parametrize("names", [(A,), ()])
def test_a_type_nobody_serves_is_answered_so_that_nobody_waits(names: tuple[str, ...]) -> None:
    class Bare(Shelf):
        def get(self, type_url: str, name: str, audience: object) -> None:
            return None

    client = SotwClient(Bare(A), "type.googleapis.com/envoy.extensions.Secret")
    client.ask(*names)
    errors = client.response().resource_errors
    assert [error.resource_name.name for error in errors] == list(names)
    for error in errors:
        assert error.error_detail.message.startswith(
            "resources of type type.googleapis.com/envoy.extensions.Secret are"
        )
    client.ask(*names)
    assert client.responses() == []


def test_a_request_without_type_breaks_the_protocol(client: SotwClient) -> None:
    client.type_url = ""
    with pytest.raises(ProtocolError, match="without type_url"):
        client.ask(A)


def test_garbage_breaks_the_protocol(client: SotwClient) -> None:
    with pytest.raises(ProtocolError, match="not a DiscoveryRequest"):
        client.stream.receive(b"\xff\xff\xff", 0.0)


def test_a_bare_name_means_the_clients_own_namespace(client: SotwClient) -> None:
    client.ask("a:80")
    assert names(client.response()) == ["a:80"]
    client.ask("a:80")
    client.shelf.put(A, "2")
    client.changed(A)
    assert names(client.response()) == ["a:80"]


@pytest.mark.parametrize("type_url", [CLUSTERS, ENDPOINTS, LISTENERS])
def test_no_resource_has_a_time_to_live_and_so_none_a_wrapper(type_url: str) -> None:
    client = SotwClient(Shelf(A), type_url)
    client.ask(A)
    assert [resource.type_url for resource in client.response().resources] == [type_url]
