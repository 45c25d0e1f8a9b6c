"""One way to use a channel of either world, so that one test says what holds for both.

Everything here blocks; the asyncio channel lives in a loop in a thread of its own.
"""

import asyncio
import concurrent.futures
import functools
import gc
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

import grpc
import grpc.aio

import trimtab
from tests.client.ads import AdsServer
from tests.client.service import METHODS, TARGET
from trimtab import aio
from trimtab.client.aio_channel import AioChannel
from trimtab.client.channel import SyncChannel

T = TypeVar("T")
AnyChannel = SyncChannel | AioChannel
PATIENCE_S = 60.0

# Channels of one process share connections by default; tests look at each one's own.
_OWN_CONNECTIONS = ("grpc.use_local_subchannel_pool", 1)


class Call(Protocol):
    """A call that was started."""

    def responses(self) -> list[Any]:
        """All of them, once it has ended. Raises grpc.RpcError, or `Cancelled` if it was cancelled here."""
        ...

    def read(self) -> Any:
        """The next response of a stream, None after the last."""
        ...

    def ask(self, what: str) -> Any:
        """`code`, `details`, `initial_metadata`, `trailing_metadata`, …; blocks until that is known."""
        ...

    def now(self, what: str) -> Any:
        """`done`, `cancelled`, `time_remaining`, `cancel`, …; at once."""
        ...

    def drop(self) -> None:
        """Refer to the call no more."""
        ...

    def when_done(self, callback: Callable[[Any], object]) -> None: ...


class Cancelled(Exception):
    """What either world raises for a call that its owner cancelled."""


class World(Protocol):
    """Channels and calls, in blocking words."""

    name: str

    def open(self, ads: AdsServer | None, target: str = TARGET, **options: Any) -> AnyChannel:
        """A channel; closed when the test ends."""
        ...

    def plain(self, port: int) -> Any:
        """grpc's own channel to a port of this machine; closed when the test ends."""
        ...

    def begin(self, channel: AnyChannel, arity: str, *requests: Any, **options: Any) -> Call:
        """Start a call of the method that has this arity."""
        ...

    def call(self, channel: AnyChannel, arity: str, *requests: Any, **options: Any) -> list[Any]:
        """A call from start to end, in the most direct way there is: its responses."""
        ...

    def wait_ready(self, channel: AnyChannel) -> None: ...

    def close(self, channel: AnyChannel) -> None: ...

    def forget(self) -> None:
        """Refer to no channel any more; what is still open is closed by being collected."""
        ...

    def collect(self) -> None:
        """Collect garbage, where the channels run."""
        ...

    def end(self) -> None:
        """Close every channel that is left."""
        ...


def method(channel: AnyChannel, arity: str, serializer: Any = None, deserializer: Any = None) -> Any:
    return getattr(channel, arity)(METHODS[arity], serializer, deserializer)


def _options(ads: AdsServer | None, options: dict[str, Any]) -> dict[str, Any]:
    given = options.pop("options", ())
    where = {} if ads is None else {"control_plane": ads.address}
    return {**where, **options, "options": (_OWN_CONNECTIONS, *given)}


def _split(options: dict[str, Any]) -> dict[str, Any]:
    return {key: options.pop(key) for key in ("serializer", "deserializer") if key in options}


class SyncWorld:
    """`trimtab.channel`."""

    name = "sync"

    def __init__(self) -> None:
        self._channels: list[Any] = []

    def open(self, ads: AdsServer | None, target: str = TARGET, **options: Any) -> SyncChannel:
        channel = trimtab.channel(target, **_options(ads, options))
        self._channels.append(channel)
        return channel

    def plain(self, port: int) -> grpc.Channel:
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", (_OWN_CONNECTIONS,))
        self._channels.append(channel)
        return channel

    def begin(self, channel: AnyChannel, arity: str, *requests: Any, **options: Any) -> "SyncCall":
        start = method(channel, arity, **_split(options))
        if arity.endswith("unary"):
            start = start.future
        call = start(iter(requests) if arity.startswith("stream") else requests[0], **options)
        return SyncCall(call, streams=arity.endswith("stream"))

    def call(self, channel: AnyChannel, arity: str, *requests: Any, **options: Any) -> list[Any]:
        if arity.endswith("stream"):
            return self.begin(channel, arity, *requests, **options).responses()
        start = method(channel, arity, **_split(options))
        return [start(iter(requests) if arity.startswith("stream") else requests[0], **options)]

    def wait_ready(self, channel: AnyChannel) -> None:
        assert isinstance(channel, SyncChannel)
        grpc.channel_ready_future(channel).result(PATIENCE_S)

    def close(self, channel: AnyChannel) -> None:
        assert isinstance(channel, SyncChannel)
        channel.close()

    def forget(self) -> None:
        self._channels.clear()

    def collect(self) -> None:
        gc.collect()

    def end(self) -> None:
        for channel in self._channels:
            channel.close()


class SyncCall:
    """A future or a stream."""

    def __init__(self, call: Any, streams: bool) -> None:
        self.call = call
        self._streams = streams

    def responses(self) -> list[Any]:
        try:
            return list(self.call) if self._streams else [self.call.result(PATIENCE_S)]
        except (grpc.FutureCancelledError, grpc.RpcError):
            if self.call.cancelled():
                raise Cancelled from None
            raise

    def read(self) -> Any:
        return next(self.call, None)

    def ask(self, what: str) -> Any:
        return getattr(self.call, what)()

    now = ask

    def drop(self) -> None:
        self.call = None

    def when_done(self, callback: Callable[[Any], object]) -> None:
        self.call.add_done_callback(callback)


class AioWorld:
    """`trimtab.aio.channel`."""

    name = "aio"

    def __init__(self) -> None:
        self._channels: list[Any] = []
        self._complaints: list[str] = []
        self._loop = _the_loop()
        self._loop.set_exception_handler(lambda _, context: self._complain(context))

    def _complain(self, context: dict[str, Any]) -> None:
        # grpc.aio has one poller for all loops of a process and trips over those that are closed (grpc/grpc#42357).
        if "PollerCompletionQueue" not in context["message"]:
            self._complaints.append(f"{context['message']}: {context.get('exception')!r}")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    def do(self, work: Callable[..., T], *args: Any, **options: Any) -> T:
        """Call `work` in the loop."""

        async def done() -> T:
            return work(*args, **options)

        return self.run(done())

    def open(self, ads: AdsServer | None, target: str = TARGET, **options: Any) -> AioChannel:
        channel = self.do(aio.channel, target, **_options(ads, options))
        self._channels.append(channel)
        return channel

    def plain(self, port: int) -> grpc.aio.Channel:
        channel = self.do(grpc.aio.insecure_channel, f"127.0.0.1:{port}", (_OWN_CONNECTIONS,))
        self._channels.append(channel)
        return channel

    def begin(self, channel: AnyChannel, arity: str, *requests: Any, **options: Any) -> "AioCall":
        start = method(channel, arity, **_split(options))
        call = self.do(start, list(requests) if arity.startswith("stream") else requests[0], **options)
        return AioCall(self, call)

    def call(self, channel: AnyChannel, arity: str, *requests: Any, **options: Any) -> list[Any]:
        return self.begin(channel, arity, *requests, **options).responses()

    def wait_ready(self, channel: AnyChannel) -> None:
        assert isinstance(channel, AioChannel)
        self.run(channel.channel_ready())

    def close(self, channel: AnyChannel) -> None:
        assert isinstance(channel, AioChannel)
        self.run(channel.close())

    def forget(self) -> None:
        self._channels.clear()

    def collect(self) -> None:
        # With its last object grpc.aio closes its poller, which the loop must not be in the middle of reading from.
        self.do(gc.collect)

    def end(self) -> None:
        for channel in self._channels:
            self.run(channel.close())
        assert not self._complaints, self._complaints


@functools.cache
def _the_loop() -> asyncio.AbstractEventLoop:
    """One loop for all tests, in a thread that ends with the process."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="aio world", daemon=True).start()
    return loop


class AioCall:
    """A call whose loop is elsewhere."""

    def __init__(self, world: AioWorld, call: Any) -> None:
        self._world = world
        self.call = call

    def responses(self) -> list[Any]:
        try:
            return self._world.run(self._responses())
        except (asyncio.CancelledError, concurrent.futures.CancelledError):
            raise Cancelled from None

    async def _responses(self) -> list[Any]:
        return [response async for response in self.call] if hasattr(self.call, "__aiter__") else [await self.call]

    def read(self) -> Any:
        response = self._world.run(self.call.read())
        return None if response is grpc.aio.EOF else response

    def ask(self, what: str) -> Any:
        return self._world.run(getattr(self.call, what)())

    def now(self, what: str) -> Any:
        return self._world.do(getattr(self.call, what))

    def drop(self) -> None:
        self._world.do(self.__dict__.pop, "call")

    def when_done(self, callback: Callable[[Any], object]) -> None:
        self._world.do(self.call.add_done_callback, callback)
