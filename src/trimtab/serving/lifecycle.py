"""`trimtab.serving.lifecycle`: one call that gives a gRPC server its whole life."""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Coroutine, Sequence
from types import FrameType, TracebackType
from typing import Any, Final, Self, TypeVar, overload

import grpc
import grpc.aio

from ..errors import ServeError
from .aio_services import aio_handlers
from .answers import Answers
from .drain import Drain
from .health import Health, Phase
from .life import Life
from .load import Load
from .sync_services import sync_handlers
from .warmup import Warmup

logger = logging.getLogger(__name__)
T = TypeVar("T")

_SIGTERM: Final = (signal.SIGTERM,)
_STARTED: Final = (
    "lifecycle: the server has started already; leave that to the lifecycle, which answers health checks first"
)


@overload
def lifecycle(
    server: grpc.aio.Server,
    *,
    warmup: Warmup | None = None,
    health: Health | None = None,
    load: Load | None = None,
    drain: Drain | None = None,
    probe: str | None = None,
    signals: Sequence[signal.Signals] = _SIGTERM,
) -> "AioLifecycle": ...


@overload
def lifecycle(
    server: grpc.Server,
    *,
    warmup: Warmup | None = None,
    health: Health | None = None,
    load: Load | None = None,
    drain: Drain | None = None,
    probe: str | None = None,
    signals: Sequence[signal.Signals] = _SIGTERM,
) -> "SyncLifecycle": ...


def lifecycle(
    server: grpc.Server | grpc.aio.Server,
    *,
    warmup: Warmup | None = None,
    health: Health | None = None,
    load: Load | None = None,
    drain: Drain | None = None,
    probe: str | None = None,
    signals: Sequence[signal.Signals] = _SIGTERM,
) -> "AioLifecycle | SyncLifecycle":
    """A context that starts `server`, warms it up, answers health checks and load reports, and drains it at the end.

    `async with` for a grpc.aio server, `with` for a grpc.Server; inside, wait for the server to terminate as always. The
    server must not be started, and its ports and services be added. `load` must be the one that the server's interceptor
    counts for: without it a drain cannot see calls, and waits as long as quiet takes. `probe` is the HOST:PORT of
    `/healthz` and `/readyz`. Raises ServeError for what is no server, and when entered for one that has started. `signals` begin the drain; again, after its `repeat_s`, they end it.
    """
    if not hasattr(server, "add_generic_rpc_handlers"):
        raise ServeError(
            f"lifecycle: expected what grpc.aio.server() or grpc.server() returns, got {server!r}; "
            "an ASGI application is wrapped by AsgiLifecycle"
        )
    kind = AioLifecycle if isinstance(server, grpc.aio.Server) else SyncLifecycle
    return kind(
        server,  # type: ignore[arg-type]
        warmup=warmup,
        health=health or Health(),
        load=load or Load(),
        drain=drain or Drain(),
        probe=probe,
        signals=signals,
    )


class AioLifecycle:
    """The life of a grpc.aio server."""

    def __init__(
        self,
        server: grpc.aio.Server,
        *,
        warmup: Warmup | None,
        health: Health,
        load: Load,
        drain: Drain,
        probe: str | None,
        signals: Sequence[signal.Signals],
    ) -> None:
        server.add_generic_rpc_handlers(aio_handlers(Answers(health, load)))
        self.health = health
        self._signals = signals
        self._before: dict[signal.Signals, Any] = {}
        self._life = Life(_AioServed(server), warmup=warmup, health=health, load=load, drain=drain, probe=probe)

    async def __aenter__(self) -> Self:
        await self._life.begin()
        loop = asyncio.get_running_loop()
        for number in self._signals:
            before = signal.getsignal(number)
            try:
                loop.add_signal_handler(number, self._life.depart)
            except (NotImplementedError, RuntimeError, ValueError):
                logger.warning("%s is not handled: this is not the main thread; call depart() yourself", number.name)
            else:
                self._before[number] = before
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        try:
            await (self._life.end() if kind is None else self._life.abandon())
        finally:
            for number, handler in self._before.items():
                asyncio.get_running_loop().remove_signal_handler(number)
                if handler is not None:
                    signal.signal(number, handler)

    @property
    def probe_port(self) -> int | None:
        """Where the HTTP probe listens; None without one."""
        return self._life.probe.port if self._life.probe is not None else None

    def depart(self) -> None:
        """Begin to drain, as SIGTERM does; again, after the drain's `repeat_s`: stop at once."""
        self._life.depart()

    async def ready(self) -> None:
        """Return once the pod is ready, at the latest when it stops."""
        await self.health.reached(Phase.READY)

    async def draining(self) -> None:
        """Return once the pod drains: for handlers of endless streams, so that they can end theirs."""
        await self.health.reached(Phase.DRAINING)


class SyncLifecycle:
    """The life of a grpc.Server. It is lived in an event loop in a thread of its own."""

    def __init__(
        self,
        server: grpc.Server,
        *,
        warmup: Warmup | None,
        health: Health,
        load: Load,
        drain: Drain,
        probe: str | None,
        signals: Sequence[signal.Signals],
    ) -> None:
        self._loop = asyncio.new_event_loop()
        server.add_generic_rpc_handlers(sync_handlers(Answers(health, load), self._loop))
        self.health = health
        self._signals = signals
        self._before: dict[signal.Signals, Any] = {}
        self._life = Life(_SyncServed(server), warmup=warmup, health=health, load=load, drain=drain, probe=probe)
        self._thread = threading.Thread(target=self._loop.run_forever, name="trimtab lifecycle", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._run(self._life.begin())
        except BaseException:
            self._end_loop()
            raise
        for number in self._signals:
            try:
                self._before[number] = signal.signal(number, self._on_signal)
            except ValueError:
                logger.warning("%s is not handled: this is not the main thread; call depart() yourself", number.name)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._run(self._life.end() if kind is None else self._life.abandon())
        finally:
            for number, handler in self._before.items():
                signal.signal(number, handler)
            self._end_loop()

    @property
    def probe_port(self) -> int | None:
        """Where the HTTP probe listens; None without one."""
        return self._life.probe.port if self._life.probe is not None else None

    def depart(self) -> None:
        """Begin to drain, as SIGTERM does; again, after the drain's `repeat_s`: stop at once."""
        self._loop.call_soon_threadsafe(self._life.depart)

    def ready(self, timeout_s: float | None = None) -> None:
        """Return once the pod is ready, at the latest when it stops. Raises TimeoutError after `timeout_s`."""
        self._run(asyncio.wait_for(self.health.reached(Phase.READY), timeout_s))

    def draining(self, timeout_s: float | None = None) -> None:
        """Return once the pod drains. Raises TimeoutError after `timeout_s`."""
        self._run(asyncio.wait_for(self.health.reached(Phase.DRAINING), timeout_s))

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.depart()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(_settled(self._loop))
        self._loop.close()


async def _settled(loop: asyncio.AbstractEventLoop) -> None:
    await asyncio.gather(*(asyncio.all_tasks(loop) - {asyncio.current_task()}), return_exceptions=True)
    await loop.shutdown_asyncgens()


class _AioServed:
    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    async def start(self) -> None:
        # A second start is silent; only the core of the server tells that there was a first.
        core: Any = getattr(self._server, "_server", None)
        if hasattr(core, "is_running") and core.is_running():
            raise ServeError(_STARTED)
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        await self._server.stop(grace_s)


class _SyncServed:
    def __init__(self, server: grpc.Server) -> None:
        self._server = server

    async def start(self) -> None:
        try:
            self._server.start()
        except ValueError as error:
            raise ServeError(_STARTED) from error

    async def stop(self, grace_s: float) -> None:
        stopped: Callable[[], object] = self._server.stop(grace_s).wait
        await asyncio.to_thread(stopped)
