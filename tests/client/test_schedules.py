"""Random schedules of real calls that end in every way there is: nothing stays in flight, in either world."""

import asyncio
import contextlib
import gc
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import grpc.aio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually, eventually_async
from tests.client.service import ARITIES, METHODS, aio_channel, assign, sync_channel
from trimtab.balance import Node
from trimtab.client.cluster import Cluster

Backends = Callable[[int], list[Backend]]

# What a call is asked for, and what its owner does with it.
steps = st.tuples(
    st.sampled_from(ARITIES),
    st.sampled_from([b"hello", b"fail", b"slow"]),
    st.sampled_from(["finish", "deadline", "cancel", "read one and cancel", "read one and drop", "drop"]),
)
# In between, the service changes under the calls: how many of the backends it has.
schedules = st.lists(st.one_of(steps, st.integers(0, 3)), min_size=1, max_size=12)

real_calls = settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


class Nodes:
    """Every node there has been, also those that the service no longer has."""

    def __init__(self) -> None:
        self._seen: set[Node] = set()

    def see(self, cluster: Cluster) -> None:
        self._seen.update(cluster.nodes)

    def idle(self, cluster: Cluster) -> bool:
        self.see(cluster)
        return not any(node.in_flight for node in self._seen)


@pytest.fixture
def three(backends: Backends) -> Iterator[list[Backend]]:
    made = backends(3)
    yield made


@given(schedule=schedules)
@real_calls
def test_sync(ads: AdsServer, three: list[Backend], schedule: list[Any]) -> None:
    nodes = Nodes()
    assign(ads, three)
    with sync_channel(ads) as channel:
        calls = []
        for step in schedule:
            nodes.see(channel.cluster)
            if isinstance(step, int):
                assign(ads, three[:step])
            else:
                calls.append((_started(channel, *step), step[0].endswith("stream")))
        nodes.see(channel.cluster)
        for backend in three:
            backend.release.set()
        for call, is_stream in calls:
            if call is not None:
                # A stream's status comes after its last response: it has to be read.
                with contextlib.suppress(grpc.RpcError, grpc.FutureCancelledError):
                    list(call) if is_stream else call.result(20)
        calls.clear()
        call = None
        gc.collect()
        eventually(lambda: nodes.idle(channel.cluster))
        for backend in three:
            backend.release.clear()


def _started(channel: Any, arity: str, request: bytes, fate: str) -> Any:
    """A call as far as its owner takes it; None if nobody holds it any more."""
    method = getattr(channel, arity)(METHODS[arity])
    streams = arity.endswith("stream")
    timeout = 0.02 if fate == "deadline" else 20
    if fate == "finish" and request != b"slow":
        with contextlib.suppress(grpc.RpcError):
            answer = method(iter([request]) if arity.startswith("stream") else request, timeout=timeout)
            list(answer) if streams else None
        return None
    start = method if streams else method.future
    call = start(iter([request]) if arity.startswith("stream") else request, timeout=timeout)
    if "read one" in fate and streams and request != b"slow":
        with contextlib.suppress(grpc.RpcError):
            next(call, None)
    if "cancel" in fate:
        call.cancel()
    return None if "drop" in fate else call


@given(schedule=schedules)
@real_calls
def test_aio(ads: AdsServer, three: list[Backend], schedule: list[Any]) -> None:
    asyncio.run(_play(ads, three, schedule))


async def _play(ads: AdsServer, three: list[Backend], schedule: list[Any]) -> None:
    nodes = Nodes()
    assign(ads, three)
    async with aio_channel(ads) as channel:
        calls = []
        for step in schedule:
            nodes.see(channel.cluster)
            if isinstance(step, int):
                assign(ads, three[:step])
            else:
                calls.append((await _started_aio(channel, *step), step[0].endswith("stream")))
        nodes.see(channel.cluster)
        for backend in three:
            backend.release.set()
        for call, is_stream in calls:
            if call is not None:
                with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
                    await (_read_all(call) if is_stream else call)
        calls.clear()
        call = None
        gc.collect()
        await eventually_async(lambda: nodes.idle(channel.cluster))
        for backend in three:
            backend.release.clear()


async def _read_all(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def _started_aio(channel: Any, arity: str, request: bytes, fate: str) -> Any:
    method, streams = getattr(channel, arity)(METHODS[arity]), arity.endswith("stream")
    timeout = 0.02 if fate == "deadline" else 20
    call = method([request] if arity.startswith("stream") else request, timeout=timeout)
    with contextlib.suppress(grpc.aio.AioRpcError):
        if "read one" in fate and streams and request != b"slow":
            await call.read()
        if fate == "finish" and request != b"slow":
            await (_read_all(call) if streams else call)
    if "cancel" in fate:
        call.cancel()
    return None if "drop" in fate else call
