"""An endpoint that nobody knows yet gets one call at a time until it answers; the first response of a stream is an answer."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually
from tests.client.service import assign
from tests.client.worlds import AioWorld, AnyChannel, Call, World
from trimtab.balance import Connectivity, Node
from trimtab.model import Policy

Backends = Callable[[int], list[Backend]]


def by_reading(world: World, call: Call) -> Any:
    return call.read()


def by_iterating(world: World, call: Call) -> Any:
    if not isinstance(world, AioWorld):
        return call.read()
    stream: Any = call
    return world.run(_next(stream.call))


async def _next(stream: Any) -> Any:
    return await anext(aiter(stream))


def newcomer(world: World, ads: AdsServer, backends: Backends) -> tuple[AnyChannel, Node]:
    """A channel with a backend that has answered, and the node of one that is connected and has not."""
    old, new = backends(2)
    assign(ads, [old])
    channel = world.open(ads, policy=Policy("least_request"))
    world.wait_ready(channel)
    assert world.call(channel, "unary_unary", b"hello") == [b"hello"]
    assign(ads, [old, new])
    eventually(lambda: len(channel.cluster.nodes) == 2)
    (probed,) = (node for node in channel.cluster.nodes if node.endpoint.port == new.port)
    eventually(lambda: probed.connectivity is Connectivity.READY)
    return channel, probed


@pytest.mark.parametrize("heard", [by_reading, by_iterating])
def test_a_stream_that_has_begun_to_answer_proves_its_endpoint(
    world: World, ads: AdsServer, backends: Backends, heard: Callable[[World, Call], Any]
) -> None:
    channel, probed = newcomer(world, ads, backends)

    def begin(count: int) -> list[Call]:
        return [world.begin(channel, "unary_stream", b"endless") for _ in range(count)]

    streams = begin(12)
    assert (probed.in_flight, probed.proven) == (1, False)
    for stream in streams:
        assert heard(world, stream) == b"0"
        assert heard(world, stream) == b"1"
    assert probed.proven

    def gets_more() -> bool:
        streams.extend(begin(1))
        return probed.in_flight > 1

    # The balancer takes it up within a tenth of a second.
    eventually(gets_more)
    for stream in streams:
        stream.now("cancel")
    eventually(lambda: sum(node.in_flight for node in channel.cluster.nodes) == 0)


def test_a_stream_that_fails_proves_nothing(world: World, ads: AdsServer, backends: Backends) -> None:
    channel, probed = newcomer(world, ads, backends)
    streams = [world.begin(channel, "stream_stream", b"slow") for _ in range(12)]
    assert probed.in_flight == 1
    for stream in streams:
        stream.now("cancel")
    eventually(lambda: probed.in_flight == 0)
    assert not probed.proven
