"""Calls that wait together: what becomes of one is nobody else's affair."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually_async
from tests.client.service import ECHO, NAME, aio_channel, assign, in_flight, sync_channel
from tests.client.worlds import World
from trimtab.client.aio_channel import AioChannel
from trimtab.client.cluster import Cluster

Backends = Callable[[int], list[Backend]]


async def three_waiting(channel: AioChannel, over: Callable[[Cluster], object]) -> list[Any]:
    """Calls that are tried in this order. The first is cancelled by the change after which they wait no more, just before."""
    cluster, calls = channel.cluster, list[Any]()

    def cancel_the_first() -> None:
        if over(cluster):
            calls[0].cancel()
        else:
            cluster.add_waiter(cancel_the_first)

    cluster.add_waiter(cancel_the_first)
    for _ in range(3):
        calls.append(channel.unary_unary(ECHO)(b"hello", timeout=60))
        await asyncio.sleep(0)
    return calls


async def test_one_cancelled_in_the_turn_in_which_all_get_an_endpoint(ads: AdsServer, backends: Backends) -> None:
    async with aio_channel(ads) as channel:
        first, *others = await three_waiting(channel, lambda cluster: not cluster._balancer.waiting and cluster.nodes)
        assign(ads, backends(1))
        assert await asyncio.gather(*others) == [b"hello"] * 2
        with pytest.raises(asyncio.CancelledError):
            await first
        await eventually_async(lambda: in_flight(channel) == 0)


async def test_one_cancelled_in_the_turn_in_which_all_are_refused(ads: AdsServer) -> None:
    async with aio_channel(ads) as channel:
        first, *others = await three_waiting(channel, Cluster.refusal)
        ads.refuse(NAME, "there is no service shop")
        for call in others:
            with pytest.raises(grpc.aio.AioRpcError, match="there is no service shop"):
                await call
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_one_that_fails_is_logged_and_the_others_go_on(
    ads: AdsServer, backends: Backends, caplog: pytest.LogCaptureFixture
) -> None:
    async with aio_channel(ads) as channel:
        channel.cluster.add_waiter(lambda: 1 / 0)
        call = channel.unary_unary(ECHO)(b"hello", timeout=60)
        assign(ads, backends(1))
        assert await call == b"hello"
        assert "what waited for a change failed" in caplog.text


@pytest.mark.parametrize("timeout", [float("inf"), 1e10])
def test_one_with_more_time_than_grpc_can_count(
    world: World, ads: AdsServer, backends: Backends, timeout: float
) -> None:
    channel = world.open(ads)
    call = world.begin(channel, "unary_unary", b"hello", timeout=timeout)
    other = world.begin(channel, "unary_unary", b"hello", timeout=60)
    assign(ads, backends(1))
    assert other.responses() == [b"hello"]
    # What grpc says of such a timeout when there is nothing to wait for.
    for late in (call, world.begin(channel, "unary_unary", b"hello", timeout=timeout)):
        with pytest.raises(grpc.RpcError) as caught:
            late.responses()
        error: Any = caught.value
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_result_that_is_waited_for_longer_than_a_lock_can(ads: AdsServer, backends: Backends) -> None:
    with sync_channel(ads) as channel:
        call = channel.unary_unary(ECHO).future(b"hello", timeout=60)
        assign(ads, backends(1))
        assert call.result(float("inf")) == b"hello"
