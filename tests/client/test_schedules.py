"""Random schedules of real calls that end in every way there is: every call ends, and nothing stays in flight."""

import asyncio
import contextlib
import gc
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import grpc.aio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually, eventually_async
from tests.client.schedules import (
    AIO_INTERCEPTORS,
    ALL,
    SYNC_INTERCEPTORS,
    Event,
    Fate,
    Mistake,
    Resize,
    Start,
    schedules,
)
from tests.client.service import METHODS, aio_channel, assign, sync_channel
from trimtab.balance import Node
from trimtab.client.cluster import Cluster

Backends = Callable[[int], list[Backend]]
Schedule = list[Start | Resize | Event]

PATIENCE_S = 30
"""Less than the calls' own deadline: nobody is to be saved by that."""

real_calls = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


class Nodes:
    """Every node there has been, also those that the service no longer has."""

    def __init__(self) -> None:
        self._seen: set[Node] = set()

    def see(self, cluster: Cluster) -> None:
        self._seen.update(cluster.nodes)

    def idle(self) -> bool:
        return not any(node.in_flight for node in self._seen)


@pytest.fixture
def three(backends: Backends) -> Iterator[list[Backend]]:
    made = backends(ALL)
    yield made


@contextlib.contextmanager
def released(three: list[Backend]) -> Iterator[None]:
    """The service is whole, and nobody is slow any more."""
    for backend in three:
        backend.release.set()
    yield
    for backend in three:
        backend.release.clear()


class SyncPlay:
    """A schedule in threads."""

    ends = (grpc.RpcError, grpc.FutureCancelledError, Mistake)

    def __init__(self, ads: AdsServer, three: list[Backend], *, intercepted: bool) -> None:
        self._ads, self._three, self._intercepted = ads, three, intercepted
        self._nodes = Nodes()
        self._held: list[tuple[Start, Any]] = []
        self._written = threading.Event()
        self._open()

    def _open(self) -> None:
        self._channel = sync_channel(self._ads)
        self._calls = grpc.intercept_channel(self._channel, *SYNC_INTERCEPTORS) if self._intercepted else self._channel

    def run(self, schedule: Schedule) -> None:
        for event in schedule:
            self._nodes.see(self._channel.cluster)
            match event:
                case Start():
                    self._start(event)
                case Resize():
                    assign(self._ads, self._three[: event.backends])
                case Event.CANCEL_ALL:
                    for _, call in self._held:
                        call.cancel()
                case Event.CLOSE:
                    self._channel.close()
                    self._open()
        assign(self._ads, self._three)
        # Calls that waited have their endpoint now, also those that nobody holds.
        grpc.channel_ready_future(self._channel).result(PATIENCE_S)
        self._written.set()
        with released(self._three):
            while self._held:
                with contextlib.suppress(*self.ends):
                    self._finish(*self._held.pop())
            self._nodes.see(self._channel.cluster)
            gc.collect()
            eventually(self._nodes.idle, PATIENCE_S)
        self._channel.close()

    def _requests(self, start: Start) -> Iterator[bytes]:
        yield start.request
        if start.written and not start.awaited:
            self._written.wait(PATIENCE_S)

    def _start(self, start: Start) -> None:
        method = getattr(self._calls, start.arity)(METHODS[start.arity])
        request = self._requests(start) if start.arity.startswith("stream") else start.request
        with contextlib.suppress(*self.ends):
            if start.awaited and start.fate is Fate.FINISH and not start.streams:
                method(request, **start.options)
                return
            call = (method if start.streams else method.future)(request, **start.options)
            if not start.fate.drops:
                self._held.append((start, call))
            if start.awaited:
                self._finish(start, call)
            if start.read:
                next(call, None)
            if start.fate.cancels:
                call.cancel()

    def _finish(self, start: Start, call: Any) -> None:
        for _ in range(2 if start.fate is Fate.ASK_TWICE else 1):
            # A stream's status comes after its last response: it has to be read.
            list(call) if start.streams else call.result(PATIENCE_S)


class AioPlay:
    """A schedule in an event loop."""

    ends = (grpc.RpcError, asyncio.CancelledError, asyncio.InvalidStateError, grpc.aio.UsageError, Mistake)

    def __init__(self, ads: AdsServer, three: list[Backend], *, intercepted: bool) -> None:
        self._ads, self._three = ads, three
        self._interceptors = AIO_INTERCEPTORS if intercepted else ()
        self._nodes = Nodes()
        self._held: list[tuple[Start, Any]] = []
        self._open()

    def _open(self) -> None:
        self._channel = aio_channel(self._ads, interceptors=self._interceptors)

    async def run(self, schedule: Schedule) -> None:
        for event in schedule:
            self._nodes.see(self._channel.cluster)
            match event:
                case Start():
                    await self._start(event)
                case Resize():
                    assign(self._ads, self._three[: event.backends])
                case Event.CANCEL_ALL:
                    for _, call in self._held:
                        call.cancel()
                case Event.CLOSE:
                    await self._channel.close()
                    self._open()
        assign(self._ads, self._three)
        # Calls that waited have their endpoint now, also those that nobody holds.
        await asyncio.wait_for(self._channel.channel_ready(), PATIENCE_S)
        with released(self._three):
            while self._held:
                await self._end(*self._held.pop())
            self._nodes.see(self._channel.cluster)
            gc.collect()
            await eventually_async(self._nodes.idle, PATIENCE_S)
        await self._channel.close()

    async def _start(self, start: Start) -> None:
        method = getattr(self._channel, start.arity)(METHODS[start.arity])
        request = [start.request] if start.arity.startswith("stream") else start.request
        call = method(**start.options) if start.written else method(request, **start.options)
        if not start.fate.drops:
            self._held.append((start, call))
        async with self._however_it_ends():
            if start.written and not start.patient:
                await call.write(start.request)
            if start.awaited:
                await self._finish(start, call)
            if start.read:
                await call.read()
        if start.fate.cancels:
            call.cancel()

    async def _end(self, start: Start, call: Any) -> None:
        async with self._however_it_ends():
            await self._finish(start, call)

    @contextlib.asynccontextmanager
    async def _however_it_ends(self) -> AsyncIterator[None]:
        async with asyncio.timeout(PATIENCE_S) as limit:
            with contextlib.suppress(*self.ends):
                yield
        assert not limit.expired(), "it does not end"

    async def _finish(self, start: Start, call: Any) -> None:
        if start.written:
            await call.done_writing()
        for _ in range(2 if start.fate is Fate.ASK_TWICE else 1):
            while start.streams and await call.read() is not grpc.aio.EOF:
                pass
            if not start.streams:
                await call


@given(schedule=schedules, intercepted=st.booleans())
@settings(real_calls, max_examples=20)
def test_sync(ads: AdsServer, three: list[Backend], schedule: Schedule, intercepted: bool) -> None:
    assign(ads, three)
    SyncPlay(ads, three, intercepted=intercepted).run(schedule)


@given(schedule=schedules, intercepted=st.booleans())
@settings(real_calls, max_examples=70)
def test_aio(ads: AdsServer, three: list[Backend], schedule: Schedule, intercepted: bool) -> None:
    async def play() -> None:
        await AioPlay(ads, three, intercepted=intercepted).run(schedule)

    assign(ads, three)
    asyncio.run(play())
