"""What state-of-the-world xDS says of resources that are gone, or were never there (Envoy's `xds_protocol` page)."""

import pytest

from tests.xds.envoy_messages import endpoint_pb2
from tests.xds.shelf import Shelf, SotwClient, names
from trimtab.xds.resource_type import CLUSTERS, ENDPOINTS, LISTENERS

A, B, C = "a.default:80", "b.default:80", "c.default:80"


@pytest.fixture
def client() -> SotwClient:
    return SotwClient(Shelf(A, B, C))


def test_clusters_are_removed_by_their_absence() -> None:
    client = SotwClient(Shelf(A, B), CLUSTERS)
    client.subscribe(A, B)
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
    client.subscribe(A)
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
    client.subscribe("late.default:80")
    client.shelf.put("late.default:80", "1")
    client.changed("late.default:80")
    assert names(client.response()) == ["late.default:80"]


def test_a_removed_resource_is_sent_when_it_comes_back(client: SotwClient) -> None:
    client.subscribe(A)
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
    client.subscribe(A, B)
    client.shelf.drop(A)
    client.shelf.put(B, "2")
    client.changed(A, B)
    assert names(client.response()) == [B]
    client.ask(A, B)
    assert names(client.response()) == [A]


def test_a_response_that_holds_everything_says_at_once_what_is_gone() -> None:
    client = SotwClient(Shelf(A, B), CLUSTERS)
    client.subscribe(A, B)
    client.shelf.drop(A)
    client.shelf.put(B, "2")
    client.changed(A, B)
    assert len(client.response().resources) == 1
    client.ask(A, B)
    assert client.responses() == []


def test_what_is_gone_and_asked_for_again_is_answered_at_once(client: SotwClient) -> None:
    client.subscribe(A, B)
    client.shelf.drop(A)
    client.changed(A)
    client.ask(A, B, nonce=client.last.nonce)
    assert names(client.response()) == [B, A]


def test_removals_are_put_off_once_however_much_keeps_changing(client: SotwClient) -> None:
    client.subscribe(A, B)
    client.shelf.drop(A)
    for version in "23":
        client.shelf.put(B, version)
        client.changed(A, B)
        said = names(client.response())
        client.ask(A, B)
    assert said == [B, A]
