"""A bootstrap may list several control planes: the next one is spoken to while those before it cannot be reached."""

import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually
from tests.client.service import NAME, assign
from tests.client.worlds import World
from tests.ports import HeldPort
from trimtab.client import bootstrap, discoveries
from trimtab.client.bootstrap import ControlPlane
from trimtab.client.control_planes import ControlPlanes
from trimtab.client.discovery import Discovery
from trimtab.client.knowledge import News

Backends = Callable[[int], list[Backend]]


def listing(*addresses: str, **node: Any) -> Mapping[str, object]:
    """A bootstrap with these control planes."""
    servers = [{"server_uri": address, "channel_creds": [{"type": "insecure"}]} for address in addresses]
    return {"xds_servers": servers, "node": {"id": "shop-7", **node}}


@contextmanager
def listening(*addresses: str) -> Iterator[list[News]]:
    """What a discovery of its own learns of the service."""
    discovery, news = Discovery(bootstrap.find(listing(*addresses))), list[News]()
    discovery.subscribe(NAME, news.append, policy=False)
    try:
        yield news
    finally:
        discovery.stop()


def test_the_second_is_asked_when_the_first_cannot_be_reached(
    world: World, ads: AdsServer, backends: Backends, caplog: pytest.LogCaptureFixture
) -> None:
    assign(ads, backends(1))
    with HeldPort() as dead, caplog.at_level(logging.INFO):
        channel = world.open(None, bootstrap=listing(dead.address, ads.address))
        assert world.call(channel, "unary_unary", b"a") == [b"a"]
        world.close(channel)
    assert f"control plane {dead.address} cannot be reached, {ads.address} is tried next" in caplog.text
    assert f"control plane {ads.address} answers" in caplog.text


def test_the_first_is_returned_to_when_it_comes_back(world: World, ads: AdsServer, backends: Backends) -> None:
    old, new = backends(2)
    assign(ads, [old])
    with HeldPort() as first:
        channel = world.open(None, bootstrap=listing(first.address, ads.address))
        assert world.call(channel, "unary_unary", b"who") == [str(old.port).encode()]
        with AdsServer(first.port) as preferred:
            assign(preferred, [new])
            preferred.wait_for_streams(1)
            ads.wait_for_streams(0)
            eventually(lambda: [node.endpoint.port for node in channel.cluster.nodes] == [new.port])
            assert world.call(channel, "unary_unary", b"who") == [str(new.port).encode()]


def test_one_that_is_lost_for_good_is_replaced_and_nothing_is_forgotten(
    world: World, ads: AdsServer, backends: Backends
) -> None:
    assign(ads, backends(1))
    with AdsServer() as second:
        channel = world.open(None, bootstrap=listing(ads.address, second.address))
        world.wait_ready(channel)
        (node,) = channel.cluster.nodes
        ads.close()
        # It knows nothing of the service, which takes nothing away.
        second.wait_for_streams(1)
        second.refuse(NAME, "there is no service shop")
        assert world.call(channel, "unary_unary", b"a") == [b"a"]
        assert channel.cluster.nodes == (node,)
        world.close(channel)


def test_another_servers_version_is_not_held_against_it(ads: AdsServer) -> None:
    """Version "v1" of one may not be "v1" of the other, which would leave out what we seem to have."""
    ads.assign(NAME)
    with AdsServer() as second, listening(ads.address, second.address) as news:
        eventually(lambda: news)
        ads.wait_for_request(lambda request: request.version != "")
        ads.close()
        assert second.wait_for_request(lambda request: True).version == ""


@pytest.mark.parametrize(
    "other",
    [
        {"id": "shop-8"},
        {"cluster": "shop"},
        {"locality": {"zone": "eu-b"}},
        {"metadata": {"NODE_NAME": "n2"}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_who_says_something_else_of_itself_has_a_stream_of_its_own(other: dict[str, Any]) -> None:
    found = [bootstrap.find(listing("127.0.0.1:1", **node)) for node in ({}, {}, other)]
    mine = discoveries.Discoveries()
    first, same, different = (mine.acquire(each) for each in found)
    assert first is same
    assert first is not different
    assert len(mine) == 2
    mine.stop_all()


A, B, C = (ControlPlane(uri) for uri in ("a:1", "b:1", "c:1"))


def planes(*servers: ControlPlane) -> ControlPlanes:
    return ControlPlanes(servers, random.Random(1), now=100.0)


def tried(standing: ControlPlanes, times: int) -> Sequence[tuple[str, bool]]:
    """Who is tried in turn when nobody answers, and whether there is a wait after it."""
    turns = []
    for _ in range(times):
        server = standing.current
        turns.append((server.uri, standing.lost("refused", 100.0).wait_s > 0))
    return turns


def test_all_are_tried_in_order_before_anybody_waits() -> None:
    assert tried(planes(A, B, C), 6) == [("a:1", False), ("b:1", False), ("c:1", True)] * 2


def test_one_that_answered_is_asked_again_first() -> None:
    standing = planes(A, B)
    standing.answered()
    loss = standing.lost("it restarts", 100.0)
    assert (standing.current, "is lost, what is known stays" in loss.message) == (A, True)
    assert 0 < loss.wait_s <= 0.2
    assert tried(standing, 1) == [("a:1", False)]
    assert standing.current is B


def test_what_is_wrong_is_said_once_each_until_it_is_right_again() -> None:
    standing = planes(A, B)
    said = [standing.lost("refused", 100.0).message for _ in range(4)]
    assert [bool(message) for message in said] == [True, True, False, False]
    assert standing.answered() == "control plane a:1 answers again"
    assert standing.answered() == ""


def test_one_that_takes_connections_and_answers_nothing_is_returned_to_less_and_less() -> None:
    standing = planes(A, B)
    looks = []
    for _ in range(20):
        standing.lost("no answer", 100.0)
        standing.answered()
        assert (standing.current, standing.preferred) == (B, (A,))
        looks.append(standing.until_look_s())
        standing.back(A, 100.0)
    assert looks[0] <= 0.2
    assert 7.5 <= looks[-1] <= 15
    standing.answered()
    standing.lost("restart", 100.0)
    standing.lost("refused", 100.0)
    assert standing.until_look_s() <= 0.2


def test_an_error_message_names_them_all() -> None:
    standing = planes(A, B)
    assert standing.describe(103.0) == (
        "control planes a:1, b:1 have not answered for 3.0 s; check that one of them runs and that the bootstrap names "
        "its address"
    )
    standing.lost("refused", 101.0)
    standing.lost("no route", 102.0)
    assert standing.describe(105.0).startswith(
        "control planes a:1, b:1 have been unreachable for 5.0 s: a:1: refused; b:1: no route; check that one of them"
    )
    standing.answered()
    assert standing.describe(106.0).startswith("control plane a:1 is connected but has not sent this service")
