"""Who asks for everything in state-of-the-world xDS (Envoy's `xds_protocol` page)."""

import pytest

from tests.xds.shelf import Shelf, SotwClient, names
from trimtab.xds.resource_type import CLUSTERS

A, B, C = "a.default:80", "b.default:80", "c.default:80"


@pytest.fixture
def client() -> SotwClient:
    return SotwClient(Shelf(A, B, C))


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


def test_a_name_in_a_stale_request_counts_too() -> None:
    client = SotwClient(Shelf(A), CLUSTERS)
    client.ask()
    before = client.response().nonce
    client.ask()
    client.shelf.put(A, "2")
    client.changed(A)
    client.response()
    client.ask(A, nonce=before)
    client.ask()
    client.shelf.put(A, "3")
    client.changed(A)
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
    client.subscribe("*")
    client.shelf.drop(B)
    client.changed(B)
    response = client.response()
    assert (names(response), list(response.resource_errors)) == ([A], [])


def test_nothing_named_never_means_everything_for_endpoints(client: SotwClient) -> None:
    client.ask()
    assert client.responses() == []
