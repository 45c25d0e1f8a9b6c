"""However a call of asyncio ends, its node's in-flight count returns to zero."""

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually_async
from tests.client.service import ARITIES, CHAT, ECHO, LIST, METHODS, SUM, aio_channel, assign, in_flight
from trimtab.client import aio_calls
from trimtab.client.aio_channel import AioChannel

Backends = Callable[[int], list[Backend]]
GRPCIO = tuple(map(int, grpc.__version__.split(".")[:2]))


def start(channel: AioChannel, arity: str, request: bytes, serializer: Any = None, **options: Any) -> Any:
    method = getattr(channel, arity)(METHODS[arity], serializer)
    return method([request] if arity.startswith("stream") else request, **options)


async def finish(call: Any) -> Any:
    """Its response, or the list of its responses."""
    return [response async for response in call] if hasattr(call, "__aiter__") else await call


@pytest.fixture
async def channel(ads: AdsServer, backends: Backends) -> AsyncIterator[AioChannel]:
    assign(ads, backends(2))
    async with aio_channel(ads) as made:
        await made.channel_ready()
        yield made


every_arity = pytest.mark.parametrize("arity", ARITIES)


@every_arity
async def test_success(channel: AioChannel, arity: str) -> None:
    call = start(channel, arity, b"hello")
    assert in_flight(channel) == 1
    assert await finish(call)
    assert await call.code() is grpc.StatusCode.OK
    await eventually_async(lambda: in_flight(channel) == 0)


@every_arity
async def test_server_error(channel: AioChannel, arity: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await finish(start(channel, arity, b"fail"))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    await eventually_async(lambda: in_flight(channel) == 0)


@every_arity
async def test_deadline(channel: AioChannel, arity: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await finish(start(channel, arity, b"slow", timeout=0.05))
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await eventually_async(lambda: in_flight(channel) == 0)


@every_arity
async def test_cancelled_at_once(channel: AioChannel, arity: str) -> None:
    call = start(channel, arity, b"slow")
    assert call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await finish(call)
    assert call.cancelled()
    await eventually_async(lambda: in_flight(channel) == 0)


@every_arity
async def test_its_task_cancelled_while_waiting(channel: AioChannel, arity: str) -> None:
    task = asyncio.create_task(finish(start(channel, arity, b"slow")))
    await eventually_async(lambda: in_flight(channel) == 1)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually_async(lambda: in_flight(channel) == 0)


@pytest.mark.parametrize("arity", ["unary_stream", "stream_stream"])
async def test_cancelled_after_the_first_response(channel: AioChannel, arity: str) -> None:
    call = endless(channel, arity)
    assert await call.read()
    call.cancel()
    await eventually_async(lambda: in_flight(channel) == 0)
    assert await call.code() is grpc.StatusCode.CANCELLED


@pytest.mark.parametrize("arity", ["unary_stream", "stream_stream"])
async def test_dropped_half_read(channel: AioChannel, arity: str) -> None:
    async def read_one() -> None:
        async for _ in endless(channel, arity):
            assert in_flight(channel) == 1
            return

    await read_one()
    gc.collect()
    await eventually_async(lambda: in_flight(channel) == 0)


@every_arity
async def test_over_and_gone_without_the_garbage_collector(channel: AioChannel, arity: str) -> None:
    """The way that is registered for the end of a call must not tie the call to itself. grpcio's own way does."""
    gc.disable()
    try:
        call = start(channel, arity, b"hello")
        await finish(call)
        gone = weakref.ref(call)
        del call
        await eventually_async(lambda: gone() is None)
    finally:
        gc.enable()


@every_arity
async def test_ended_where_grpcio_has_no_core_call_to_register_with(
    channel: AioChannel, arity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """grpcio's own way stays open: what is used instead of it is private to grpcio."""
    monkeypatch.setattr(aio_calls, "CORE", "not there")
    assert await finish(start(channel, arity, b"hello"))
    with pytest.raises(grpc.aio.AioRpcError):
        await finish(start(channel, arity, b"fail"))
    await eventually_async(lambda: in_flight(channel) == 0)


@every_arity
async def test_ended_where_grpcio_does_not_tell_whether_all_went_well(
    channel: AioChannel, arity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def core(call: Any) -> Any:
        return SimpleNamespace(add_done_callback=call._cython_call.add_done_callback)

    monkeypatch.setattr("grpc.aio._call.Call._core", property(core), raising=False)
    monkeypatch.setattr(aio_calls, "CORE", "_core")
    assert await finish(start(channel, arity, b"hello"))
    with pytest.raises(grpc.aio.AioRpcError):
        await finish(start(channel, arity, b"fail"))
    await eventually_async(lambda: in_flight(channel) == 0)


def endless(channel: AioChannel, arity: str) -> Any:
    """A stream that goes on until it is cancelled."""

    async def requests() -> AsyncIterator[bytes]:
        while True:
            yield b"more"
            await asyncio.sleep(0.01)

    return (
        channel.unary_stream(LIST)(b"endless") if arity == "unary_stream" else channel.stream_stream(CHAT)(requests())
    )


@every_arity
async def test_channel_closed_under_it(ads: AdsServer, backends: Backends, arity: str) -> None:
    assign(ads, backends(2))
    channel = aio_channel(ads)
    await channel.channel_ready()
    nodes = channel.cluster.nodes
    call = start(channel, arity, b"slow")
    await asyncio.sleep(0)
    assert sum(node.in_flight for node in nodes) == 1
    await channel.close()
    assert call.cancelled()
    assert sum(node.in_flight for node in nodes) == 0


class Interrupted(BaseException):
    """No mistake that grpc.aio takes upon itself."""


def interrupted(request: object) -> bytes:
    raise Interrupted


def text(request: object) -> Any:
    return "text"


@every_arity
@pytest.mark.parametrize("serializer", [text, interrupted, None])
async def test_a_request_that_is_never_sent(channel: AioChannel, arity: str, serializer: Any) -> None:
    gc.disable()
    try:
        request: Any = b"hello" if serializer else "text"
        call = start(channel, arity, request, serializer, timeout=60)
        with pytest.raises((TypeError, Interrupted, asyncio.CancelledError)):
            await finish(call)
        # However long it is held.
        await eventually_async(lambda: in_flight(channel) == 0)
        assert call.done()
    finally:
        gc.enable()


@every_arity
@pytest.mark.parametrize(
    ("key", "value"), [("UPPER", "x"), ("a b", "x"), ("text", "a\nb"), ("text", "ä"), ("text", b"\0")]
)
async def test_metadata_that_grpc_refuses(channel: AioChannel, arity: str, key: str, value: str) -> None:
    if GRPCIO < (1, 81) and arity != "unary_unary":
        pytest.skip(
            "nobody is told of it before grpcio 1.81: the caller waits as long as it likes, on a plain channel too"
        )
    gc.disable()
    try:
        call = start(channel, arity, b"hello", metadata=((key, value),), timeout=60)
        with contextlib.suppress(Exception):
            await finish(call)
        # However long it is held.
        await eventually_async(lambda: in_flight(channel) == 0)
        assert call.done()
    finally:
        gc.enable()


@every_arity
async def test_metadata_that_only_looks_as_if_grpc_refused_it(channel: AioChannel, arity: str) -> None:
    metadata = (("text", b"bytes"), ("some-bin", b"\0"), ("text", "twice"))
    assert await finish(start(channel, arity, b"hello", metadata=metadata, timeout=60))
    await eventually_async(lambda: in_flight(channel) == 0)


async def test_a_call_that_grpc_refuses_to_start(channel: AioChannel) -> None:
    credentials = grpc.access_token_call_credentials("token")
    with pytest.raises(grpc.aio.UsageError, match="secure"):
        channel.unary_unary(ECHO)(b"hello", credentials=credentials)
    assert in_flight(channel) == 0


async def test_writes_and_reads_of_a_stream(channel: AioChannel) -> None:
    call = channel.stream_stream(CHAT)()
    for part in (b"a", b"b"):
        await call.write(part)
        assert await call.read() == part
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    await eventually_async(lambda: in_flight(channel) == 0)


@every_arity
async def test_cancelled_before_there_is_an_endpoint(ads: AdsServer, backends: Backends, arity: str) -> None:
    async with aio_channel(ads) as channel:
        call = start(channel, arity, b"hello")
        await asyncio.sleep(0)
        assert call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await finish(call)
        assert call.cancelled()
        assert await call.code() is grpc.StatusCode.CANCELLED
        assign(ads, backends(1))
        await channel.channel_ready()
        assert in_flight(channel) == 0


@every_arity
async def test_started_before_there_is_an_endpoint(ads: AdsServer, backends: Backends, arity: str) -> None:
    async with aio_channel(ads) as channel:
        call = start(channel, arity, b"hello", timeout=60)
        done: list[object] = []
        call.add_done_callback(done.append)
        assert not call.done()
        assert call.time_remaining() > 10
        assign(ads, backends(2))
        assert await finish(call)
        await call.wait_for_connection()
        assert await call.code() is grpc.StatusCode.OK
        assert await call.details() == ""
        assert await call.initial_metadata() is not None
        assert await call.trailing_metadata() is not None
        await eventually_async(lambda: done == [call])
        await eventually_async(lambda: in_flight(channel) == 0)


async def test_written_to_before_there_is_an_endpoint(ads: AdsServer, backends: Backends) -> None:
    async with aio_channel(ads) as channel:
        total, chat = channel.stream_unary(SUM)(), channel.stream_stream(CHAT)()
        writing = asyncio.gather(total.write(b"1"), chat.write(b"2"))
        assign(ads, backends(2))
        await writing
        await total.write(b"3")
        await asyncio.gather(total.done_writing(), chat.done_writing())
        assert await total == b"1+3"
        assert [response async for response in chat] == [b"2"]
        await eventually_async(lambda: in_flight(channel) == 0)
