"""The rules of state-of-the-world xDS, one test each (Envoy's `xds_protocol` page)."""

import pytest

from tests.xds.envoy_messages import endpoint_pb2
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
    client.ask(A, B)
    client.response()
    client.ask(A, B)
    client.shelf.put(A, "2")
    client.changed(A)
    assert sorted(names(client.response())) == [A, B]


def test_a_response_of_endpoints_holds_only_what_changed(client: SotwClient) -> None:
    client.ask(A, B)
    client.response()
    client.ask(A, B)
    client.shelf.put(A, "2")
    client.changed(A)
    assert names(client.response()) == [A]


def test_clusters_are_removed_by_their_absence() -> None:
    client = SotwClient(Shelf(A, B), CLUSTERS)
    client.ask(A, B)
    client.response()
    client.ask(A, B)
    client.shelf.drop(A)
    client.changed(A)
    assert names(client.response()) == [B]


def test_the_last_cluster_is_removed_by_an_empty_response() -> None:
    client = SotwClient(Shelf(A), CLUSTERS)
    client.ask()
    client.response()
    client.ask()
    client.shelf.drop(A)
    client.changed(A)
    assert names(client.response()) == []


def test_endpoints_are_withdrawn_by_an_empty_assignment(client: SotwClient) -> None:
    client.ask(A)
    client.response()
    client.ask(A)
    client.shelf.drop(A)
    client.changed(A)
    (resource,) = client.response().resources
    assert endpoint_pb2.ClusterLoadAssignment.FromString(resource.value) == endpoint_pb2.ClusterLoadAssignment(
        cluster_name=A
    )


def test_a_name_that_means_nothing_is_answered_once_with_an_error(client: SotwClient) -> None:
    client.ask(A, "gone.default:80")
    response = client.response()
    (error,) = response.resource_errors
    assert error.resource_name.name == "gone.default:80"
    assert (error.error_detail.code, error.error_detail.message) == (5, "there is no gone.default:80")
    assert names(response) == [A]
    client.ask(A, "gone.default:80")
    client.changed("gone.default:80")
    assert client.responses() == []


def test_a_missing_resource_is_sent_when_it_springs_to_life(client: SotwClient) -> None:
    client.ask("late.default:80")
    client.response()
    client.ask("late.default:80")
    client.shelf.put("late.default:80", "1")
    client.changed("late.default:80")
    assert names(client.response()) == ["late.default:80"]


def test_a_removed_resource_is_sent_when_it_comes_back(client: SotwClient) -> None:
    client.ask(A)
    client.response()
    client.ask(A)
    client.shelf.drop(A)
    client.changed(A)
    client.response()
    client.ask(A)
    client.shelf.put(A, "1")
    client.changed(A)
    assert names(client.response()) == [A]


def test_a_name_that_can_never_mean_anything_is_answered_with_an_error(client: SotwClient) -> None:
    client.ask("not!a!name")
    assert client.response().resource_errors[0].resource_name.name == "not!a!name"


@pytest.mark.parametrize("ask_for", [(), ("*",)])
def test_nothing_named_and_a_star_both_mean_everything(ask_for: tuple[str, ...]) -> None:
    client = SotwClient(Shelf(A, B, "a.default"), CLUSTERS)
    client.ask(*ask_for)
    assert names(client.response()) == [A, B]
    client.ask(*ask_for)
    client.shelf.put(C, "1")
    client.changed(C)
    assert names(client.response()) == [A, B, C]


def test_everything_of_nothing_is_still_answered() -> None:
    client = SotwClient(Shelf(), CLUSTERS)
    client.ask()
    assert names(client.response()) == []


def test_after_a_name_nothing_named_means_nothing() -> None:
    client = SotwClient(Shelf(A, B), CLUSTERS)
    client.ask(A)
    client.response()
    client.ask()
    client.shelf.put(A, "2")
    client.changed(A, B)
    assert client.responses() == []


def test_a_star_counts_as_a_name_so_that_nothing_named_later_means_nothing() -> None:
    client = SotwClient(Shelf(A), CLUSTERS)
    client.ask("*")
    client.response()
    client.ask()
    client.shelf.put(A, "2")
    client.changed(A)
    assert client.responses() == []


def test_a_name_beside_the_star_is_followed_alone_once_the_star_is_given_up() -> None:
    client = SotwClient(Shelf(A, B), CLUSTERS)
    client.ask("*", A)
    assert sorted(names(client.response())) == [A, B]
    client.ask(A)
    for name in (A, B):
        client.shelf.put(name, "2")
        client.changed(name)
    assert names(client.response()) == [A]


def test_who_asked_for_everything_is_told_of_no_missing_resource() -> None:
    client = SotwClient(Shelf(A, B), CLUSTERS)
    client.ask("*")
    client.response()
    client.ask("*")
    client.shelf.drop(B)
    client.changed(B)
    response = client.response()
    assert (names(response), list(response.resource_errors)) == ([A], [])


def test_nothing_named_never_means_everything_for_endpoints(client: SotwClient) -> None:
    client.ask()
    assert client.responses() == []


def test_what_was_unsubscribed_before_it_could_be_sent_is_not_sent(client: SotwClient) -> None:
    client.ask(A, B)
    client.response()
    client.ask(A, B)
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
    client.ask(A, B)
    client.response()
    client.ask(A, B)
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
    client.ask(A)
    client.response()
    client.ask(A)
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


def test_removals_come_last_and_in_the_opposite_order(client: SotwClient) -> None:
    for type_url in (CLUSTERS, ENDPOINTS, LISTENERS):
        client.ask(A, B, type_url=type_url, nonce="")
    for response in client.responses():
        client.ask(A, B, type_url=response.type_url, nonce=response.nonce)
    client.shelf.drop(A)
    client.changed(A)
    assert [response.type_url for response in client.responses()] == [LISTENERS, ENDPOINTS, CLUSTERS]
    assert client.responses() == []


def test_endpoints_that_are_gone_wait_for_those_that_changed(client: SotwClient) -> None:
    client.ask(A, B)
    client.response()
    client.ask(A, B)
    client.shelf.drop(A)
    client.shelf.put(B, "2")
    client.changed(A, B)
    assert names(client.response()) == [B]
    client.ask(A, B)
    assert names(client.response()) == [A]


def test_a_response_that_holds_everything_says_at_once_what_is_gone() -> None:
    client = SotwClient(Shelf(A, B), CLUSTERS)
    client.ask(A, B)
    client.response()
    client.ask(A, B)
    client.shelf.drop(A)
    client.shelf.put(B, "2")
    client.changed(A, B)
    assert len(client.response().resources) == 1
    client.ask(A, B)
    assert client.responses() == []


def test_what_is_gone_and_asked_for_again_is_answered_at_once(client: SotwClient) -> None:
    client.ask(A, B)
    client.response()
    client.ask(A, B)
    client.shelf.drop(A)
    client.changed(A)
    client.ask(A, B, nonce=client.last.nonce)
    assert names(client.response()) == [B, A]


def test_removals_are_put_off_once_however_much_keeps_changing(client: SotwClient) -> None:
    client.ask(A, B)
    client.response()
    client.ask(A, B)
    client.shelf.drop(A)
    for version in "23":
        client.shelf.put(B, version)
        client.changed(A, B)
        said = names(client.response())
        client.ask(A, B)
    assert said == [B, A]


@pytest.mark.parametrize("type_url", [CLUSTERS, ENDPOINTS, LISTENERS])
def test_no_resource_has_a_time_to_live_and_so_none_a_wrapper(type_url: str) -> None:
    client = SotwClient(Shelf(A), type_url)
    client.ask(A)
    assert [resource.type_url for resource in client.response().resources] == [type_url]
