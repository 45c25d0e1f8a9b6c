"""What streams share of their responses."""

from tests.xds.shelf import DeltaClient, Shelf, SotwClient, names, versions
from trimtab.xds import contents, resource_type
from trimtab.xds.resource import Resource

PAYMENTS = "payments.default:8080"


def test_streams_that_follow_one_resource_get_the_same_bytes_with_their_own_nonce() -> None:
    shelf = Shelf(PAYMENTS)
    early, late = SotwClient(shelf), SotwClient(shelf)
    early.subscribe(PAYMENTS)
    shelf.put(PAYMENTS, "2")
    early.changed(PAYMENTS)
    late.ask(PAYMENTS)
    one, other = early.response(), late.response()
    assert (one.nonce, other.nonce) == ("2", "1")
    assert (one.version_info, one.resources) == (other.version_info, other.resources)


def test_a_response_about_one_resource_is_made_once_per_name_version_and_dialect() -> None:
    made: list[str] = []

    def entry(type_url: str, name: str, resource: Resource) -> bytes:
        made.append(f"{name} at {resource.version}")
        return b""

    one, two = Resource("1", b"one"), Resource("2", b"two")
    for _ in range(2):
        for name, resource in (("a", one), ("b", one), ("a", two)):
            contents.contents(resource_type.ENDPOINTS, {name: resource}, entry)
    assert made == ["a at 1", "b at 1", "a at 2"]


def test_the_two_dialects_say_the_same_resource_each_in_its_way() -> None:
    shelf = Shelf(PAYMENTS)
    sotw, delta = SotwClient(shelf), DeltaClient(shelf)
    sotw.ask(PAYMENTS)
    delta.ask(PAYMENTS)
    assert names(sotw.response()) == [PAYMENTS]
    assert versions(delta.response()) == {PAYMENTS: "1"}
