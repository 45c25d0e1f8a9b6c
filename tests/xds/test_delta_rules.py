"""The rules of incremental xDS, one test each (Envoy's `xds_protocol` page, "Incremental xDS")."""

from collections.abc import Sequence

import pytest

from tests.xds.envoy_messages import discovery_pb2
from tests.xds.shelf import DeltaClient, Shelf, versions
from trimtab.xds.resource_type import CLUSTERS, ENDPOINTS, LISTENERS

A, B, C = "a.default:80", "b.default:80", "c.default:80"


@pytest.fixture
def client() -> DeltaClient:
    return DeltaClient(Shelf(A, B, C))


def everything(*names: str) -> DeltaClient:
    client = DeltaClient(Shelf(*names), CLUSTERS)
    client.ask("*")
    client.response()
    client.ack()
    return client


def test_what_is_subscribed_is_sent_with_its_version(client: DeltaClient) -> None:
    client.ask(A, B)
    assert versions(client.response()) == {A: "1", B: "1"}


def test_only_what_changed_is_sent(client: DeltaClient) -> None:
    client.ask(A, B)
    client.response()
    client.ack()
    client.shelf.put(B, "2")
    client.changed(B)
    assert versions(client.response()) == {B: "2"}


def test_a_change_of_subscription_counts_even_on_a_stale_nonce(client: DeltaClient) -> None:
    client.ask(A)
    stale = client.response().nonce
    client.ack()
    client.shelf.put(A, "2")
    client.changed(A)
    client.response()
    client.ask(B, nonce=stale)
    assert versions(client.response()) == {B: "1"}


def test_an_ack_and_a_change_of_subscription_may_come_in_one_request(client: DeltaClient) -> None:
    client.ask(A)
    client.ask(B, nonce=client.response().nonce)
    assert versions(client.response()) == {B: "1"}
    (subscription,) = client.stream.subscriptions
    assert subscription.delivery.acked_at is not None


def test_a_nack_is_known_by_its_error(client: DeltaClient) -> None:
    client.ask(A)
    client.ask(nonce=client.response().nonce, error="no")
    (subscription,) = client.stream.subscriptions
    assert (subscription.delivery.refused, subscription.delivery.acked_at) == ("no", None)


def test_no_two_responses_have_the_same_nonce(client: DeltaClient) -> None:
    nonces = []
    for name in (A, B, C):
        client.ask(name)
        nonces.append(client.response().nonce)
        client.ack()
    assert len(set(nonces)) == 3


def test_what_exists_is_answered_without_waiting_for_what_does_not(client: DeltaClient) -> None:
    client.ask(A, "late.default:80")
    assert versions(client.response()) == {A: "1"}


def test_a_name_asked_for_twice_is_sent_once(client: DeltaClient) -> None:
    client.ask(A, A)
    assert [resource.name for resource in client.response().resources] == [A]


def test_a_removed_resource_is_sent_when_it_comes_back(client: DeltaClient) -> None:
    client.ask(A)
    client.response()
    client.ack()
    client.shelf.drop(A)
    client.changed(A)
    client.response()
    client.ack()
    client.shelf.put(A, "1")
    client.changed(A)
    assert versions(client.response()) == {A: "1"}


def test_a_spontaneous_request_acks_nothing(client: DeltaClient) -> None:
    client.ask(A)
    client.response()
    client.ask(B)
    (subscription,) = client.stream.subscriptions
    assert subscription.delivery.outstanding


def test_subscribing_again_to_what_is_subscribed_sends_it_again(client: DeltaClient) -> None:
    client.ask(A)
    client.response()
    client.ack()
    client.ask(A)
    assert versions(client.response()) == {A: "1"}


def test_unsubscribing_and_subscribing_again_sends_it_again(client: DeltaClient) -> None:
    client.ask(A)
    client.response()
    client.ask(unsubscribe=[A], nonce=client.last.nonce)
    client.ask(A)
    assert versions(client.response()) == {A: "1"}


def test_after_a_nack_the_same_content_is_not_sent_again(client: DeltaClient) -> None:
    client.ask(A)
    client.ask(nonce=client.response().nonce, error="no")
    client.changed(A)
    assert client.responses() == []
    client.shelf.put(A, "2")
    client.changed(A)
    assert versions(client.response()) == {A: "2"}


def test_a_resource_that_is_gone_is_named_as_removed(client: DeltaClient) -> None:
    client.ask(A)
    client.response()
    client.ack()
    client.shelf.drop(A)
    client.changed(A)
    response = client.response()
    assert (list(response.removed_resources), list(response.resources), list(response.resource_errors)) == ([A], [], [])


def test_a_name_that_means_nothing_is_named_as_removed_once_and_watched(client: DeltaClient) -> None:
    client.ask("late.default:80")
    response = client.response()
    assert list(response.removed_resources) == ["late.default:80"]
    (error,) = response.resource_errors
    assert (error.resource_name.name, error.error_detail.code, error.error_detail.message) == (
        "late.default:80",
        5,
        "there is no late.default:80",
    )
    client.ack()
    client.changed("late.default:80")
    assert client.responses() == []
    client.shelf.put("late.default:80", "1")
    client.changed("late.default:80")
    assert versions(client.response()) == {"late.default:80": "1"}


@pytest.mark.parametrize("ask_for", [(), ("*",)])
def test_a_first_request_that_names_nothing_and_a_star_both_mean_everything(ask_for: tuple[str, ...]) -> None:
    client = DeltaClient(Shelf(A, B, "a.default"), CLUSTERS)
    client.ask(*ask_for)
    assert versions(client.response()) == {A: "1", B: "1"}
    client.ack()
    client.shelf.put(C, "1")
    client.changed(C)
    assert versions(client.response()) == {C: "1"}


def test_a_later_request_that_names_nothing_is_just_an_ack() -> None:
    client = DeltaClient(Shelf(A, B), CLUSTERS)
    client.ask(A)
    client.response()
    client.ack()
    client.changed(B)
    assert client.responses() == []


def test_everything_of_nothing_is_still_answered() -> None:
    client = DeltaClient(Shelf(), CLUSTERS)
    client.ask("*")
    assert list(client.response().resources) == []


def test_giving_up_a_name_while_everything_stays_is_answered_with_the_resource() -> None:
    client = everything(A, B)
    client.ask(A)
    client.response()
    client.ack()
    client.ask(unsubscribe=[A])
    assert versions(client.response()) == {A: "1"}


def test_giving_up_a_name_that_everything_does_not_hold_is_answered_with_its_removal() -> None:
    client = everything(A, "a.default")
    client.ask("a.default")
    assert versions(client.response()) == {"a.default": "1"}
    client.ack()
    client.ask(unsubscribe=["a.default"])
    assert list(client.response().removed_resources) == ["a.default"]


def test_giving_up_everything_keeps_what_is_named() -> None:
    client = everything(A, B)
    client.ask(A, unsubscribe=["*"])
    client.response()
    client.ack()
    for name in (A, B):
        client.shelf.put(name, "2")
        client.changed(name)
    assert versions(client.response()) == {A: "2"}


def test_phantom_unsubscribes_are_ignored(client: DeltaClient) -> None:
    client.ask(A)
    client.response()
    client.ack()
    client.ask(unsubscribe=[B, "never.default:80"])
    assert client.responses() == []


def test_unsubscribing_alone_needs_no_answer(client: DeltaClient) -> None:
    client.ask(A, B)
    client.response()
    client.ask(unsubscribe=[A], nonce=client.last.nonce)
    client.changed(A)
    assert client.responses() == []


def test_after_a_reconnect_only_differences_are_sent(client: DeltaClient) -> None:
    client.shelf.put(B, "2")
    client.ask(A, B, C, "gone.default:80", initial={A: "1", B: "1", "gone.default:80": "1"})
    response = client.response()
    assert versions(response) == {B: "2", C: "1"}
    assert list(response.removed_resources) == ["gone.default:80"]


def test_after_a_reconnect_everything_is_compared_with_what_the_client_holds() -> None:
    client = DeltaClient(Shelf(A, B), CLUSTERS)
    client.ask("*", initial={A: "1", "gone.default:80": "1"})
    response = client.response()
    assert versions(response) == {B: "1"}
    assert list(response.removed_resources) == ["gone.default:80"]


def test_a_client_that_lacks_nothing_after_a_reconnect_is_left_alone(client: DeltaClient) -> None:
    client.ask(A, initial={A: "1"})
    assert client.responses() == []


def test_a_burst_of_changes_becomes_one_response_with_the_newest_state(client: DeltaClient) -> None:
    client.ask(A, B)
    client.response()
    for version in "234":
        client.shelf.put(A, version)
        client.shelf.put(B, version)
        client.changed(A, B)
    assert client.responses() == []
    client.ack()
    assert versions(client.response()) == {A: "4", B: "4"}


def test_what_was_unsubscribed_before_it_could_be_sent_is_not_sent(client: DeltaClient) -> None:
    client.ask(A, B)
    client.response()
    client.ack()
    client.shelf.put(A, "2")
    client.changed(A)
    client.ask(unsubscribe=[A])
    assert client.responses() == []


def test_endpoints_asked_for_again_after_a_cluster_changed_are_sent_again(client: DeltaClient) -> None:
    assert client.type_url == ENDPOINTS
    client.ask(A)
    client.response()
    client.ack()
    client.ask(A)
    assert versions(client.response()) == {A: "1"}


def test_removals_come_last_and_in_the_opposite_order() -> None:
    client = DeltaClient(Shelf(A, B))
    for client.type_url in (CLUSTERS, ENDPOINTS, LISTENERS):
        client.ask(A, B)
    acknowledge(client, client.responses())
    client.shelf.drop(A)
    client.shelf.put(B, "2")
    client.changed(A, B)
    changed = client.responses()
    assert [(each.type_url, [*versions(each)], [*each.removed_resources]) for each in changed] == [
        (CLUSTERS, [B], []),
        (ENDPOINTS, [B], []),
        (LISTENERS, [B], []),
    ]
    acknowledge(client, changed)
    gone = client.responses()
    assert [(each.type_url, [*versions(each)], [*each.removed_resources]) for each in gone] == [
        (LISTENERS, [], [A]),
        (ENDPOINTS, [], [A]),
        (CLUSTERS, [], [A]),
    ]


def acknowledge(client: DeltaClient, responses: Sequence[discovery_pb2.DeltaDiscoveryResponse]) -> None:
    for response in responses:
        client.type_url = response.type_url
        client.ask(nonce=response.nonce)


def test_no_resource_has_a_time_to_live(client: DeltaClient) -> None:
    client.ask(A, B)
    assert not any(resource.HasField("ttl") for resource in client.response().resources)
