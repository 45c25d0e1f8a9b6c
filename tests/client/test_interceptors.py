"""Users' interceptors: around the pick, so that every continuation picks anew."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
import pytest

import trimtab
from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually, eventually_async
from tests.client.service import ARITIES, CHAT, ECHO, LIST, METHODS, SUM, aio_channel, assign, in_flight, sync_channel

Backends = Callable[[int], list[Backend]]

KINDS = (
    grpc.aio.UnaryUnaryClientInterceptor,
    grpc.aio.UnaryStreamClientInterceptor,
    grpc.aio.StreamUnaryClientInterceptor,
    grpc.aio.StreamStreamClientInterceptor,
)
RESPONSES = {
    "unary_unary": b"a",
    "unary_stream": [b"0", b"1", b"2"],
    "stream_unary": b"a",
    "stream_stream": [b"a"],
}
every_arity = pytest.mark.parametrize("arity", ARITIES)


def interceptor(arity: str, behaviour: Callable[..., Any]) -> Any:
    """An interceptor of one kind that does `behaviour(continuation, details, request)`."""

    async def intercept(self: object, continuation: Any, details: Any, request: Any) -> Any:
        return await behaviour(continuation, details, request)

    return type("Interceptor", (KINDS[ARITIES.index(arity)],), {f"intercept_{arity}": intercept})()


def start(channel: grpc.aio.Channel, arity: str, request: bytes = b"a", **options: Any) -> Any:
    method = getattr(channel, arity)(METHODS[arity])
    return method([request] if arity.startswith("stream") else request, **options)


async def finish(call: Any) -> Any:
    return [response async for response in call] if hasattr(call, "__aiter__") else await call


@every_arity
async def test_each_kind_sees_its_calls_and_can_add_metadata(ads: AdsServer, backends: Backends, arity: str) -> None:
    (backend,) = backends(1)
    assign(ads, [backend])
    seen: list[Any] = []

    async def tag(continuation: Any, details: grpc.aio.ClientCallDetails, request: Any) -> Any:
        seen.append(details)
        assert details.metadata is not None
        details.metadata.add("tag", "seen")
        return await continuation(details, request)

    async with aio_channel(ads, interceptors=[interceptor(arity, tag)]) as channel:
        call = start(channel, arity, timeout=60, metadata=(("first", "1"),))
        assert await finish(call) == RESPONSES[arity]
        assert await call.code() is grpc.StatusCode.OK
        assert call.done()
        assert seen[0].method == METHODS[arity].encode()
        assert seen[0].timeout == 60
        assert {("first", "1"), ("tag", "seen")} <= set(backend.metadata[-1])
        await eventually_async(lambda: in_flight(channel) == 0)


async def test_they_run_in_order_around_each_other(ads: AdsServer, backends: Backends) -> None:
    assign(ads, backends(1))
    order: list[str] = []

    def noting(name: str) -> Any:
        async def note(continuation: Any, details: Any, request: Any) -> Any:
            order.append(f"{name} in")
            response = await (await continuation(details, request))
            order.append(f"{name} out")
            return response

        return interceptor("unary_unary", note)

    async with aio_channel(ads, interceptors=[noting("outer"), noting("inner")]) as channel:
        call = channel.unary_unary(ECHO)(b"a")
        assert await call == b"a"
        assert await call.code() is grpc.StatusCode.OK
    assert order == ["outer in", "inner in", "inner out", "outer out"]


async def test_a_retry_picks_another_endpoint(ads: AdsServer, backends: Backends) -> None:
    made = backends(2)
    assign(ads, made)

    async def retry(continuation: Any, details: Any, request: Any) -> Any:
        with pytest.raises(grpc.aio.AioRpcError):
            await (await continuation(details, b"fail"))
        return await continuation(details, request)

    policy = trimtab.Policy(strategy="round_robin")
    async with aio_channel(ads, interceptors=[interceptor("unary_unary", retry)], policy=policy) as channel:
        await channel.channel_ready()
        await eventually_async(lambda: all(node.connectivity.value == "ready" for node in channel.cluster.nodes))
        # A new endpoint is given more than one call when it has answered one.
        for _ in range(4):
            assert await channel.unary_unary(ECHO)(b"a") == b"a"
        await eventually_async(lambda: in_flight(channel) == 0)
    assert [backend.calls for backend in made] == [4, 4]


async def test_an_answer_of_its_own_costs_no_call(ads: AdsServer, backends: Backends) -> None:
    (backend,) = backends(1)
    assign(ads, [backend])

    async def answer(continuation: Any, details: Any, request: Any) -> Any:
        return b"from the cache"

    async with aio_channel(ads, interceptors=[interceptor("unary_unary", answer)]) as channel:
        call = channel.unary_unary(ECHO)(b"a")
        assert await call == b"from the cache"
        assert await call.code() is grpc.StatusCode.OK
        assert await call.details() == ""
        assert call.done()
        assert not call.cancel()
    assert backend.calls == 0


@pytest.mark.parametrize("arity", ["unary_stream", "stream_stream"])
async def test_responses_can_be_replaced_one_by_one(ads: AdsServer, backends: Backends, arity: str) -> None:
    assign(ads, backends(1))

    async def shout(continuation: Any, details: Any, request: Any) -> Any:
        call = await continuation(details, request)

        async def louder() -> AsyncIterator[bytes]:
            async for response in call:
                yield response + b"!"

        return louder()

    async with aio_channel(ads, interceptors=[interceptor(arity, shout)]) as channel:
        expected = [response + b"!" for response in RESPONSES[arity]]  # type: ignore[operator]
        assert await finish(start(channel, arity)) == expected
        call = start(channel, arity)
        assert await call.read() == expected[0]
        await finish(call)
        assert await call.code() is grpc.StatusCode.OK
        await eventually_async(lambda: in_flight(channel) == 0)


@every_arity
@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_interceptor_that_raises(ads: AdsServer, backends: Backends, arity: str, when: str) -> None:
    (backend,) = backends(1)
    assign(ads, [backend])

    async def fail(continuation: Any, details: Any, request: Any) -> Any:
        if when == "after":
            await continuation(details, request)
        raise LookupError("no tenant")

    async with aio_channel(ads, interceptors=[interceptor(arity, fail)]) as channel:
        await channel.channel_ready()
        call = start(channel, arity, b"slow")
        with pytest.raises(LookupError, match="no tenant"):
            await finish(call)
        # The server is still at it, but nobody waits for it any more.
        await eventually_async(lambda: in_flight(channel) == 0)
        assert call.done()


@every_arity
async def test_cancelled_while_the_interceptor_is_busy(ads: AdsServer, backends: Backends, arity: str) -> None:
    assign(ads, backends(1))
    entered = asyncio.Event()

    async def dawdle(continuation: Any, details: Any, request: Any) -> Any:
        await continuation(details, request)
        entered.set()
        await asyncio.Event().wait()

    async with aio_channel(ads, interceptors=[interceptor(arity, dawdle)]) as channel:
        call = start(channel, arity, b"slow")
        await entered.wait()
        assert call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await finish(call)
        assert call.cancelled()
        await eventually_async(lambda: in_flight(channel) == 0)


async def test_what_is_written_goes_through_the_interceptor(ads: AdsServer, backends: Backends) -> None:
    assign(ads, backends(1))

    def numbered(arity: str) -> Any:
        async def number(continuation: Any, details: Any, request: Any) -> Any:
            async def numbers() -> AsyncIterator[bytes]:
                index = 0
                async for part in request:
                    yield b"%d%s" % (index, part)
                    index += 1

            return await continuation(details, numbers())

        return interceptor(arity, number)

    async with aio_channel(ads, interceptors=[numbered("stream_unary"), numbered("stream_stream")]) as channel:
        total = channel.stream_unary(SUM)()
        for part in (b"a", b"b"):
            await total.write(part)
        await total.done_writing()
        assert await total == b"0a+1b"
        chat = channel.stream_stream(CHAT)()
        await chat.write(b"x")
        assert await chat.read() == b"0x"
        await chat.done_writing()
        with pytest.raises(asyncio.InvalidStateError, match="done_writing"):
            await chat.write(b"y")
        assert await chat.read() is grpc.aio.EOF


async def test_what_is_no_interceptor_is_refused(ads: AdsServer) -> None:
    with pytest.raises(ValueError, match="must be UnaryUnaryClientInterceptor or"):
        aio_channel(ads, interceptors=[object()])


class Tagging(grpc.UnaryUnaryClientInterceptor, grpc.StreamStreamClientInterceptor):
    """Of the synchronous world, around the channel."""

    def __init__(self) -> None:
        self.failing = False
        self.seen = 0

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        call = continuation(client_call_details, request)
        self.seen += 1
        if self.failing:
            raise LookupError("no tenant")
        return call

    def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return self.intercept_unary_unary(continuation, client_call_details, request_iterator)


def test_grpcs_own_interceptors_go_around_a_synchronous_channel(ads: AdsServer, backends: Backends) -> None:
    assign(ads, backends(2))
    tagging = Tagging()
    with sync_channel(ads) as channel:
        intercepted: Any = grpc.intercept_channel(channel, tagging)
        echo = intercepted.unary_unary(ECHO)
        assert echo(b"a") == b"a"
        assert echo.future(b"b").result(10) == b"b"
        assert echo.with_call(b"c")[1].code() is grpc.StatusCode.OK
        assert list(intercepted.stream_stream(CHAT)(iter([b"d"]))) == [b"d"]
        assert list(intercepted.unary_stream(LIST)(b"")) == [b"0", b"1", b"2"]
        assert tagging.seen == 4
        tagging.failing = True
        with pytest.raises(LookupError):
            echo(b"a")
        eventually(lambda: in_flight(channel) == 0)
