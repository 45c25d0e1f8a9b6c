"""A call of the synchronous world that stands for one still to come.

Futures and streams are handed out at once, but before the first assignment there is no connection to start them on.
This object takes the place of grpc's own until it can be started, from the channel's loop.
"""

import logging
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Self

import grpc

from ..balance import Pick, Request
from .cluster import Cluster
from .loop import Loop
from .placement import Deadline, Placement, Refusal
from .rpc_error import RefusedCall

logger = logging.getLogger(__name__)

Start = Callable[[Pick, float | None], Any]
"""Starts the real call on a picked node, with the seconds that are left to it."""


class DeferredCall(grpc.Call, grpc.Future):  # type: ignore[type-arg]  # generic only in its stubs
    """Call, future and stream of responses in one, like grpc's own. Dropping it cancels it, as there."""

    def __init__(self, start: Start, deadline: Deadline, notify: Callable[..., object]) -> None:
        """`notify` runs callbacks where they may block."""
        self._start = start
        self._deadline = deadline
        self._notify = notify
        self._call: Any = None
        self._known = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []
        self._call_off: Callable[[], object] = _nothing
        self._probe: Pick | None = None
        """The pick of an endpoint that never answered, until the first response."""

    def place(self, cluster: Cluster, context: Request, wait_for_ready: bool, loop: Loop) -> None:
        """Start as soon as there is a node. The placement does not keep a dropped call alive."""
        this = weakref.ref(self)
        placement = Placement(
            cluster,
            context,
            self._deadline,
            wait_for_ready,
            lambda pick: _placed(this, pick),
            lambda refusal: _refused(this, refusal),
        )
        self._call_off = lambda: loop.call_soon_threadsafe(placement.cancel)
        loop.call_soon_threadsafe(placement.start, loop)

    def begin(self, pick: Pick) -> None:
        """Start the real call. If this one was cancelled meanwhile, give the pick back, or cancel what was just started."""
        if self._call is not None:
            pick.abandon()
            return
        self.probes(pick)
        call: Any
        try:
            call = self._start(pick, self._deadline.remaining_s())
        except grpc.RpcError as error:
            call = error
        except Exception as error:
            logger.exception("a deferred call could not be started")
            call = RefusedCall(Refusal(grpc.StatusCode.UNKNOWN, f"the call could not be started: {error!r}"))
        if not self.settle(call):
            call.cancel()

    def probes(self, pick: Pick) -> None:
        """The call runs by this pick: if its endpoint never answered, the first response of a stream is its answer."""
        if not pick.node.proven:
            self._probe = pick

    def settle(self, call: Any) -> bool:
        """From now on stand for `call`. False: it already stands for another."""
        # Callbacks run outside of the lock: they may call back, from whichever thread.
        with self._lock:
            if self._call is not None:
                return False
            self._call = call
            callbacks, self._callbacks = self._callbacks, []
        self._known.set()
        for callback in callbacks:
            callback()
        return True

    def _real(self, timeout: float | None = None) -> Any:
        if not self._known.wait(None if timeout is None else min(timeout, threading.TIMEOUT_MAX)):
            raise grpc.FutureTimeoutError
        return self._call

    # grpc.Call

    def add_callback(self, callback: Callable[[], None]) -> bool:
        with self._lock:
            if self._call is None:
                self._callbacks.append(lambda: self._call.add_callback(callback) or self._notify(callback))
                return True
        return bool(self._call.add_callback(callback))

    def cancel(self) -> bool:
        if self.settle(RefusedCall(Refusal(grpc.StatusCode.CANCELLED, "Locally cancelled by application!"))):
            self._call_off()
            return True
        return bool(self._call.cancel())

    def is_active(self) -> bool:
        return self._call is None or bool(self._call.is_active())

    def time_remaining(self) -> Any:
        return self._deadline.remaining_s() if self._call is None else self._call.time_remaining()

    def initial_metadata(self) -> Any:
        return self._real().initial_metadata()

    def trailing_metadata(self) -> Any:
        return self._real().trailing_metadata()

    def code(self) -> Any:
        return self._real().code()

    def details(self) -> Any:
        return self._real().details()

    def debug_error_string(self) -> Any:
        return self._real().debug_error_string()

    # grpc.Future

    def add_done_callback(self, fn: Callable[[Any], None]) -> None:
        with self._lock:
            if self._call is None:
                self._callbacks.append(lambda: self._when_done(fn))
                return
        self._call.add_done_callback(lambda _: fn(self))

    def _when_done(self, fn: Callable[[Any], None]) -> None:
        # What is done by now calls back at once, and that is not to hold up this thread.
        self._notify(self._call.add_done_callback, lambda _: fn(self))

    def cancelled(self) -> bool:
        return self._call is not None and bool(self._call.cancelled())

    def running(self) -> bool:
        return self._call is None or bool(self._call.running())

    def done(self) -> bool:
        return self._call is not None and bool(self._call.done())

    def result(self, timeout: float | None = None) -> Any:
        return self._asked("result", timeout)

    def exception(self, timeout: float | None = None) -> Any:
        return self._asked("exception", timeout)

    def traceback(self, timeout: float | None = None) -> Any:
        return self._asked("traceback", timeout)

    def _asked(self, what: str, timeout: float | None) -> Any:
        until = None if timeout is None else time.monotonic() + timeout
        call = self._real(timeout)
        return getattr(call, what)(None if until is None else max(0.0, until - time.monotonic()))

    # The stream of responses.

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        call = self._real()
        if not hasattr(call, "__next__"):
            # The error that grpc raises where it does not even start a stream.
            raise call
        response = next(call)
        if self._probe is not None:
            self._probe.answered()
            self._probe = None
        return response

    def __del__(self) -> None:
        self._call_off()


def _nothing() -> None:
    pass


def _placed(this: "weakref.ref[DeferredCall]", pick: Pick) -> None:
    call = this()
    if call is None:
        pick.abandon()
    else:
        call.begin(pick)


def _refused(this: "weakref.ref[DeferredCall]", refusal: Refusal) -> None:
    call = this()
    if call is not None:
        call.settle(RefusedCall(refusal))
