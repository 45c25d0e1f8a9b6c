"""A call of asyncio that its owner drops: it ends if it cannot without its owner, else it goes on to its end."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually_async
from tests.client.service import CHAT, LIST, SUM, aio_channel, assign, in_flight
from trimtab.client.aio_channel import AioChannel

Backends = Callable[[int], list[Backend]]


class Passing(grpc.aio.StreamUnaryClientInterceptor, grpc.aio.StreamStreamClientInterceptor):
    """Changes nothing."""

    async def intercept_stream_unary(self, continuation: Any, details: Any, requests: Any) -> Any:
        return await continuation(details, requests)

    async def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        return await continuation(details, requests)


@pytest.fixture
def started(backends: Backends) -> Backend:
    return backends(1)[0]


@pytest.fixture(params=[(), (Passing(),)], ids=["plain", "intercepted"])
async def channel(ads: AdsServer, started: Backend, request: pytest.FixtureRequest) -> AsyncIterator[AioChannel]:
    assign(ads, [started])
    async with aio_channel(ads, interceptors=request.param) as made:
        await made.channel_ready()
        yield made


async def none_in_flight(channel: AioChannel) -> bool:
    gc.collect()
    await eventually_async(lambda: in_flight(channel) == 0)
    return True


written = pytest.mark.parametrize("arity", ["stream_unary", "stream_stream"])


def start(channel: AioChannel, arity: str, serializer: Any = None) -> Any:
    return getattr(channel, arity)(SUM if arity == "stream_unary" else CHAT, serializer)(timeout=600)


@written
async def test_before_anything_was_written(channel: AioChannel, arity: str) -> None:
    start(channel, arity)
    await asyncio.sleep(0)
    assert await none_in_flight(channel)


@written
async def test_after_a_request(channel: AioChannel, arity: str) -> None:
    call = start(channel, arity)
    await call.write(b"hello")
    assert in_flight(channel) == 1
    del call
    assert await none_in_flight(channel)


@written
async def test_after_a_request_that_cannot_be_serialized(
    channel: AioChannel, arity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What grpcio logs of it pytest keeps, with a traceback that from Python 3.12 on refers to the call.
    monkeypatch.setattr(logging.getLogger("grpc._common"), "disabled", True)

    def broken(request: object) -> bytes:
        raise RuntimeError("no bytes for this")

    call = start(channel, arity, broken)
    # Which error it is, and whether it comes with this write or the next, is grpc's affair.
    with contextlib.suppress(grpc.RpcError, RuntimeError):
        await call.write(b"hello")
    del call
    assert await none_in_flight(channel)


async def test_with_all_requests_written_it_goes_on(channel: AioChannel, started: Backend) -> None:
    call = start(channel, "stream_unary")
    await call.write(b"slow")
    await call.done_writing()
    del call
    gc.collect()
    # What ends with its owner would have been cancelled in the next turn of the loop.
    for _ in range(3):
        await asyncio.sleep(0)
    assert in_flight(channel) == 1
    started.release.set()
    assert await none_in_flight(channel)


async def test_before_there_was_an_endpoint(ads: AdsServer, backends: Backends) -> None:
    async with aio_channel(ads) as channel:
        channel.stream_unary(SUM)(timeout=600)
        channel.stream_stream(CHAT)(timeout=600)
        channel.unary_stream(LIST)(b"slow", timeout=600)
        assign(ads, backends(1))
        await channel.channel_ready()
        assert await none_in_flight(channel)
