"""From opening a channel to closing it, or to losing it."""

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from itertools import pairwise

import grpc
import grpc.aio
import pytest

import trimtab
from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually, eventually_async
from tests.client.service import ARITIES, ECHO, LIST, NAME, TARGET, aio_channel, assign, in_flight, sync_channel
from tests.client.worlds import Cancelled, World
from trimtab import aio

Backends = Callable[[int], list[Backend]]
State = grpc.ChannelConnectivity

every_arity = pytest.mark.parametrize("arity", ARITIES)


@every_arity
def test_closing_cancels_what_is_under_way(world: World, ads: AdsServer, backends: Backends, arity: str) -> None:
    (backend,) = backends(1)
    assign(ads, [backend])
    channel = world.open(ads)
    world.wait_ready(channel)
    node = channel.cluster.nodes[0]
    call = world.begin(channel, arity, b"slow")
    assert backend.entered.acquire(timeout=60)
    world.close(channel)
    world.close(channel)
    with pytest.raises((Cancelled, grpc.RpcError)):
        call.responses()
    assert call.ask("code") is grpc.StatusCode.CANCELLED
    eventually(lambda: node.in_flight == 0)
    assert channel.cluster.connections == ()
    assert "closed" in repr(channel)


@every_arity
def test_a_closed_channel_takes_no_calls(world: World, ads: AdsServer, backends: Backends, arity: str) -> None:
    assign(ads, backends(1))
    channel = world.open(ads)
    world.wait_ready(channel)
    world.close(channel)
    with pytest.raises(grpc.aio.UsageError if world.name == "aio" else ValueError, match="closed"):
        world.call(channel, arity, b"a")


@every_arity
def test_a_call_outlives_the_variable_of_its_channel(
    world: World, ads: AdsServer, backends: Backends, arity: str
) -> None:
    (backend,) = backends(1)
    assign(ads, [backend])
    channel = world.open(ads)
    world.wait_ready(channel)
    call = world.begin(channel, arity, b"slow")
    assert backend.entered.acquire(timeout=60)
    world.forget()
    gone = weakref.ref(channel)
    del channel
    world.collect()
    backend.release.set()
    assert b"slow" in call.responses() or arity == "unary_stream"
    assert call.ask("code") is grpc.StatusCode.OK
    call.drop()

    def collected() -> bool:
        world.collect()
        return gone() is None

    eventually(collected)
    ads.wait_for_streams(0)


def test_a_lost_channel_is_closed(world: World, ads: AdsServer, backends: Backends) -> None:
    assign(ads, backends(1))
    channel = world.open(ads)
    world.wait_ready(channel)
    cluster = channel.cluster
    world.forget()
    del channel
    world.collect()
    eventually(lambda: cluster.closed and not cluster.connections)
    ads.wait_for_streams(0)


def test_a_with_block_closes(ads: AdsServer, backends: Backends) -> None:
    assign(ads, backends(1))
    with sync_channel(ads) as channel:
        assert channel.unary_unary(ECHO)(b"a") == b"a"
    with pytest.raises(ValueError, match="closed"):
        channel.unary_unary(ECHO)(b"a")


async def test_an_async_with_block_opens_and_closes(ads: AdsServer, backends: Backends) -> None:
    assign(ads, backends(1))
    async with aio_channel(ads) as channel:
        assert await channel.unary_unary(ECHO)(b"a") == b"a"
    assert channel.get_state() is State.SHUTDOWN
    with pytest.raises(grpc.aio.UsageError, match="closed"):
        channel.unary_unary(ECHO)(b"a")
    with pytest.raises(grpc.aio.UsageError, match="closed"):
        await channel.channel_ready()


def test_subscribers_hear_of_every_change(ads: AdsServer, backends: Backends) -> None:
    heard: list[State] = []
    with sync_channel(ads) as channel:
        channel.subscribe(heard.append, try_to_connect=True)
        eventually(lambda: heard == [State.CONNECTING])
        (backend,) = backends(1)
        assign(ads, [backend])
        eventually(lambda: heard[-1] is State.READY)
        backend.close()
        eventually(lambda: heard[-1] is State.TRANSIENT_FAILURE)
        others: list[State] = []
        channel.subscribe(others.append)
        eventually(lambda: others == [State.TRANSIENT_FAILURE])
        channel.unsubscribe(others.append)
    eventually(lambda: heard[-1] is State.SHUTDOWN)
    assert all(one is not other for one, other in pairwise(heard))
    assert others == [State.TRANSIENT_FAILURE]
    channel.subscribe(others.append)
    eventually(lambda: others[1:] == [State.SHUTDOWN])


async def test_states_of_an_asyncio_channel(ads: AdsServer, backends: Backends) -> None:
    async with aio_channel(ads) as channel:
        assert channel.get_state() is State.CONNECTING
        (backend,) = backends(1)
        assign(ads, [backend])
        await channel.wait_for_state_change(State.CONNECTING)
        assert channel.get_state() is State.READY
        backend.close()
        await channel.wait_for_state_change(State.READY)
        assert channel.get_state() in (State.CONNECTING, State.TRANSIENT_FAILURE)
        assert NAME in repr(channel)
    assert channel.get_state() is State.SHUTDOWN
    with pytest.raises(grpc.aio.UsageError, match="closed"):
        await channel.wait_for_state_change(State.SHUTDOWN)


def test_a_channel_made_before_there_is_a_loop_starts_with_it(ads: AdsServer, backends: Backends) -> None:
    assign(ads, backends(1))
    channel = aio.channel(TARGET, control_plane=ads.address)
    assert channel.get_state() is State.IDLE

    async def use() -> bytes:
        async with channel:
            assert channel.get_state() is not State.IDLE
            response: bytes = await channel.unary_unary(ECHO)(b"a")
            return response

    assert asyncio.run(use()) == b"a"


@pytest.fixture
async def slow(ads: AdsServer, backends: Backends) -> AsyncIterator[Backend]:
    (backend,) = backends(1)
    assign(ads, [backend])
    yield backend


class Passing(grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation, details, request):  # type: ignore[no-untyped-def]
        return await (await continuation(details, request))


@pytest.mark.parametrize("interceptors", [(), (Passing(),)], ids=["plain", "intercepted"])
async def test_close_grants_a_grace(ads: AdsServer, slow: Backend, interceptors: tuple[Passing, ...]) -> None:
    channel = aio_channel(ads, interceptors=interceptors)
    await channel.channel_ready()
    call = channel.unary_unary(ECHO)(b"slow")
    await eventually_async(lambda: in_flight(channel) == 1)
    closing = asyncio.create_task(channel.close(20))
    await asyncio.sleep(0.05)
    with pytest.raises(grpc.aio.UsageError, match="closed"):
        channel.unary_unary(ECHO)(b"a")
    slow.release.set()
    assert await call == b"slow"
    await closing


@pytest.mark.parametrize("interceptors", [(), (Passing(),)], ids=["plain", "intercepted"])
async def test_a_grace_ends(ads: AdsServer, slow: Backend, interceptors: tuple[Passing, ...]) -> None:
    channel = aio_channel(ads, interceptors=interceptors)
    await channel.channel_ready()
    call = channel.unary_unary(ECHO)(b"slow")
    await eventually_async(lambda: in_flight(channel) == 1)
    await channel.close(0.05)
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_negative_grace(ads: AdsServer) -> None:
    async with aio_channel(ads) as channel:
        with pytest.raises(ValueError, match="non-negative"):
            await channel.close(-1)


async def test_a_deferred_stream_dropped_half_read(ads: AdsServer, backends: Backends) -> None:
    async with aio_channel(ads) as channel:
        call = channel.unary_stream(LIST)(b"endless")
        assign(ads, backends(1))
        assert await call.read() == b"0"
        assert in_flight(channel) == 1
        del call
        while in_flight(channel):
            gc.collect()
            await asyncio.sleep(0.005)


def test_a_program_may_end_without_closing_anything(ads: AdsServer, backends: Backends) -> None:
    assign(ads, backends(1))
    program = f"""
        import asyncio, trimtab, trimtab.aio
        channel = trimtab.channel({TARGET!r}, control_plane={ads.address!r})
        assert channel.unary_unary({ECHO!r})(b"a") == b"a"
        async def main():
            global other
            other = trimtab.aio.channel({TARGET!r}, control_plane={ads.address!r})
            assert await other.unary_unary({ECHO!r})(b"a") == b"a"
        asyncio.run(main())
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "Traceback" not in ended.stderr


def test_an_unknown_policy_leaves_no_thread_behind(ads: AdsServer) -> None:
    before = set(threading.enumerate())
    with pytest.raises(trimtab.PolicyError):
        sync_channel(ads, policy=trimtab.Policy(strategy="best"))
    assert not [thread for thread in threading.enumerate() if thread not in before and "shop" in thread.name]
