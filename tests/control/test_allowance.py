"""What the streams of one connection may follow together."""

import pytest

from tests.control.objects import service
from trimtab.control.allowance import NAMES_MAX, NAMES_SIZE_MAX, Allowance
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.metrics import Metrics
from trimtab.control.resource_store import ResourceStore
from trimtab.control.session import Session
from trimtab.errors import LimitExceeded
from trimtab.xds.discovery import DiscoveryRequest
from trimtab.xds.resource_type import CLUSTERS, ENDPOINTS
from trimtab.xds.sotw import StateOfTheWorld

HALF = tuple(f"s{index}" for index in range(NAMES_MAX // 2))


def session(allowance: Allowance) -> Session:
    store = ResourceStore(catalog := Catalog(), census := Census())
    store.apply(catalog.apply([service()], ()))
    return Session("test", StateOfTheWorld(), store, census, Metrics(), only=None, allowance=allowance)


def ask(one: Session, *names: str, type_url: str = ENDPOINTS) -> None:
    one.receive(DiscoveryRequest(type_url, names).serialize())


def test_names_count_over_streams_and_types() -> None:
    allowance = Allowance()
    first, second = session(allowance), session(allowance)
    ask(first, *HALF)
    ask(first, *HALF, type_url=CLUSTERS)
    with pytest.raises(LimitExceeded, match=f"more than {NAMES_MAX} names"):
        ask(second, "one more")


def test_a_stream_that_ends_gives_back_what_it_held_also_one_that_asked_for_too_much() -> None:
    allowance = Allowance()
    first, second, third = (session(allowance) for _ in range(3))
    ask(first, *HALF)
    ask(first, *HALF, type_url=CLUSTERS)
    with pytest.raises(LimitExceeded):
        ask(second, *HALF)
    second.close()
    first.close()
    ask(third, *HALF)
    ask(third, *HALF, type_url=CLUSTERS)


def test_names_that_are_given_up_count_no_more() -> None:
    allowance = Allowance()
    first, second = session(allowance), session(allowance)
    ask(first, *HALF)
    ask(second, *HALF)
    ask(first, *HALF[:1])
    ask(second, *HALF[:9], type_url=CLUSTERS)


def test_long_names_are_bounded_by_their_size() -> None:
    allowance = Allowance()
    streams = [session(allowance) for _ in range(3)]
    names = tuple(f"{index}{'x' * (1 << 20)}" for index in range(15))
    assert NAMES_SIZE_MAX > 2 * 15 * (1 << 20)
    ask(streams[0], *names)
    ask(streams[1], *names)
    with pytest.raises(LimitExceeded, match=f"more than {NAMES_SIZE_MAX} characters"):
        ask(streams[2], *names)


def test_other_connections_have_their_own() -> None:
    for _ in range(3):
        one = session(Allowance())
        ask(one, *HALF)
        ask(one, *HALF, type_url=CLUSTERS)
