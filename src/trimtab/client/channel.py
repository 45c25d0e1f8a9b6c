"""A service as a grpc.Channel."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import grpc

from ..balance import Connectivity, Explanation, Tracer
from ..model import Endpoint
from .calls import CALLS
from .cluster import Cluster
from .connection_options import ConnectionOptions
from .loop import Loop, ThreadLoop
from .method import Method
from .service import Service
from .stubs import Stubs
from .subscribers import Callback, Subscribers
from .sync_connection import SyncConnection
from .verified_name import VerifiedName


class SyncChannel(Stubs, grpc.Channel):
    """Balances every call over the endpoints of one service. Made by `trimtab.channel`."""

    def __init__(self, service: Service, common: ConnectionOptions) -> None:
        verified = VerifiedName(service.name, common)

        def connect(endpoint: Endpoint, timeout_s: float, report: Callable[[Connectivity], object]) -> SyncConnection:
            return SyncConnection(endpoint, timeout_s, verified.hearing(endpoint, report), common, loop)

        self.cluster = cluster = Cluster(service, connect, asynchronous=False)
        common.try_out()
        self._callbacks = _Callbacks()
        self._loop = loop = ThreadLoop(f"trimtab {service.name}")
        cluster.start(loop)
        self._subscribers = Subscribers(self.cluster, self._callbacks.run)

    def prepare(self) -> Loop:
        """The loop to run in. Raises ValueError once closed, ForkError in a forked process."""
        if self.cluster.refusal_of_child is not None:
            raise self.cluster.refusal_of_child
        if self.cluster.closed:
            raise ValueError("Cannot invoke RPC on closed channel!")
        return self._loop

    def notify(self, callback: Callable[..., object], *args: object) -> None:
        """Run a user's callback where it may block."""
        self._callbacks.run(callback, *args)

    def close(self) -> None:
        """Take no more calls and cancel those under way."""
        self.cluster.abandon()
        self._loop.stop()
        self._loop.join()
        self._callbacks.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if "_subscribers" in self.__dict__:
            self.cluster.abandon()
            self._loop.stop()
            self._callbacks.stop()

    def subscribe(self, callback: Callback, try_to_connect: bool | None = False) -> None:
        """Tell `callback` of every change. Connections are opened ahead of need, whatever `try_to_connect` says."""
        self._loop.call_soon_threadsafe(self._subscribers.add, callback)

    def unsubscribe(self, callback: Callback) -> None:
        """Tell `callback` no more."""
        self._loop.call_soon_threadsafe(self._subscribers.remove, callback)

    def explain(self) -> Explanation:
        """How every endpoint in use stands: load, weight, ramp, success, ejection; and why it is these."""
        return self.cluster.explain()

    def trace(self, tracer: Tracer | None) -> None:
        """Call `tracer` with every request and the choice made for it, in whichever thread makes it; None: no more."""
        self.cluster.trace(tracer)

    def _calls(self, method: Method) -> Any:
        return CALLS[method.arity](self, method)

    def __repr__(self) -> str:
        return f"<trimtab.channel {self.cluster.summary()}>"


class _Callbacks:
    """A thread for users' callbacks, started with the first of them: one that blocks holds up no call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: ThreadLoop | None = None
        self._stopped = False

    def run(self, callback: Callable[..., object], *args: object) -> None:
        with self._lock:
            if self._loop is None and not self._stopped:
                self._loop = ThreadLoop("trimtab callbacks")
        if self._loop is None:
            callback(*args)
        else:
            self._loop.call_soon_threadsafe(callback, *args)

    def stop(self) -> None:
        self._stopped = True
        if self._loop is not None:
            self._loop.stop()
