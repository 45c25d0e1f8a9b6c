"""What one client may ask for on one stream."""

import pytest

from tests.xds.shelf import DeltaClient, Shelf, SotwClient
from trimtab.errors import LimitExceeded
from trimtab.xds.server_stream import TYPES_MAX
from trimtab.xds.subscription import NAMES_MAX, NAMES_SIZE_MAX

MANY = tuple(f"s{index}.default:80" for index in range(NAMES_MAX))


def test_many_names_are_too_many_by_one() -> None:
    client = SotwClient(Shelf())
    client.ask(*MANY)
    client.responses()
    with pytest.raises(LimitExceeded, match=f"more than {NAMES_MAX} names of .*ClusterLoadAssignment"):
        client.ask(*MANY, "one-more.default:80")


def test_names_that_are_asked_for_little_by_little_count_too() -> None:
    client = DeltaClient(Shelf())
    client.ask(*MANY[: NAMES_MAX // 2])
    client.ask(*MANY[NAMES_MAX // 2 :])
    with pytest.raises(LimitExceeded):
        client.ask("one-more.default:80")


def test_a_name_that_is_asked_for_again_does_not_count_twice() -> None:
    client = DeltaClient(Shelf())
    client.ask(*MANY)
    client.ask(MANY[0])
    client.ask("one-more.default:80", unsubscribe=MANY[:1])
    (subscription,) = client.stream.subscriptions
    assert len(subscription.names) == NAMES_MAX


def test_a_stream_may_ask_for_many_types_but_not_for_any_number() -> None:
    client = SotwClient(Shelf())
    for index in range(TYPES_MAX):
        client.ask("a", type_url=f"type.googleapis.com/type-{index}", nonce="")
    with pytest.raises(LimitExceeded, match=f"more than {TYPES_MAX} resource types"):
        client.ask("a", type_url="type.googleapis.com/one-more", nonce="")


def test_long_names_count_by_their_length_for_as_long_as_they_are_asked_for() -> None:
    client = DeltaClient(Shelf())
    long = tuple(f"!{index}" * (NAMES_SIZE_MAX // 8) for index in range(5))
    client.ask(*long[:4])
    client.ask(long[0], long[0])
    client.ask(long[4], unsubscribe=(long[0], long[0]))
    with pytest.raises(LimitExceeded, match=f"more than {NAMES_SIZE_MAX} characters"):
        client.ask(long[0])
