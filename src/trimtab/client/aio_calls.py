"""Starting calls of asyncio: straight to the picked connection, or deferred until there is one.

The hot path adds a pick and a done callback to what grpc.aio does, and returns grpc.aio's own call where it ends without
its owner: with one response, and with its requests at hand.
"""

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol

import grpc
import grpc.aio

from ..balance import Pick, Request
from .aio_deferred import (
    DeferredCall,
    StreamStreamDeferred,
    StreamUnaryDeferred,
    UnaryStreamDeferred,
    UnaryUnaryDeferred,
)
from .aio_unsent import end_with_task
from .cluster import Cluster
from .load_reports import with_report
from .metadata import doubtful
from .method import Method, MethodCalls
from .outcome import CANCELLED, OK, UNKNOWN, outcome_of
from .placement import Deadline, Placement, Refusal
from .rpc_error import aio_error

CORE = "_cython_call"
"""Where a call of grpc.aio keeps gRPC's own. Private to grpcio: where it is missing, there is the public way."""


class Owner(Protocol):
    """The channel that a method belongs to."""

    cluster: Cluster

    def prepare(self) -> asyncio.AbstractEventLoop:
        """The loop to run in, with discovery under way. Raises grpc.aio.UsageError if the channel is closed."""
        ...

    def track(self, call: DeferredCall) -> None:
        """Remember a call, to cancel it when the channel closes."""
        ...


class AioCalls(MethodCalls):
    """Starts the calls of one method. Behaves like grpc.aio's multi-callables."""

    deferred: type[DeferredCall]
    guards = False
    """Whether the returned call must notice that it was dropped."""

    def __init__(self, owner: Owner, method: Method) -> None:
        super().__init__(owner.cluster, method)
        # The owner stays alive as long as one of its stubs is used, as with grpc's own channels.
        self._owner = owner

    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        """Start a call, now if there is an endpoint for it."""
        pick = self._placed(metadata, wait_for_ready)
        if pick is not None:
            call = self._start(request, metadata, credentials, compression, pick, timeout)
            return self._guarded(pick, call, request) if self.guards else call
        context, deadline, loop = self._context(metadata), Deadline(timeout), self._owner.prepare()
        start = partial(self._start, request, metadata, credentials, compression)
        starting = self._start_later(context, deadline, wait_for_ready, start)
        return self._deferred(request is None, loop, starting=starting, deadline_at=deadline.at)

    def _deferred(self, written: bool, loop: asyncio.AbstractEventLoop, **more: Any) -> DeferredCall:
        """One that stands for a call, whose requests its owner has yet to write or not."""
        deferred = self.deferred(loop, **more)
        deferred.written = written
        self._owner.track(deferred)
        return deferred

    def _guarded(self, pick: Pick, call: Any, request: Any) -> Any:
        # Tracked as well: when its channel closes, grpcio before 1.83 does not find every stream that is under way.
        deferred = self._deferred(request is None, self._owner.prepare(), call=call)
        if not pick.node.proven:
            deferred.heard = pick.answered
        return deferred

    async def _start_later(
        self,
        context: Request,
        deadline: Deadline,
        wait_for_ready: bool | None,
        start: Callable[[Pick, float | None], Any],
    ) -> Any:
        pick = await wait_for_pick(self._cluster, context, deadline, wait_for_ready)
        return start(pick, deadline.remaining_s())

    def _follow(self, pick: Pick, call: Any, metadata: Any) -> None:
        try:
            # What a call's own `add_done_callback` registers refers back to the call: a cycle per call, left to the garbage
            # collector (docs/adr/0042).
            getattr(call, CORE).add_done_callback(partial(self._ended, pick, weakref.ref(call)))
        except AttributeError:
            call.add_done_callback(partial(self._done, pick))
        if metadata and doubtful(metadata):
            end_with_task(call)

    def _ended(self, pick: Pick, ended: "weakref.ref[Any]") -> None:
        call = ended()
        if call is None:
            # Its owner dropped it, which ends it.
            pick.done(CANCELLED)
            return
        try:
            succeeded = getattr(call, CORE).is_ok()
        except Exception:  # noqa: BLE001 - another grpcio, which has no such thing: there is the public way
            succeeded = False
        if succeeded and not self._cluster.wants_reports:
            pick.done(OK)
        else:
            self._done(pick, call)

    def _done(self, pick: Pick, call: Any) -> None:
        outcome = UNKNOWN
        try:
            outcome = outcome_of(_said(call.code()))
            if self._cluster.wants_reports:
                outcome = with_report(outcome, _said(call.trailing_metadata()))
        finally:
            pick.done(outcome)


def _said(asked: Coroutine[Any, Any, Any]) -> Any:
    """What a finished call says about itself: it is there already, so asking is over at once."""
    try:
        asked.send(None)
    except StopIteration as answer:
        return answer.value
    # Should it ever wait instead, nobody is left to wait with it.
    asked.close()
    return None


async def wait_for_pick(cluster: Cluster, context: Request, deadline: Deadline, wait_for_ready: bool | None) -> Pick:
    """A node for the call as soon as there is one. Raises AioRpcError when waiting is over or pointless."""
    loop = asyncio.get_running_loop()
    placed: asyncio.Future[Pick] = loop.create_future()

    # Cancelling the task cancels `placed` at once, but the placement only with the task's next step. A change of the cluster
    # in between finds nobody who waits.
    def place(pick: Pick) -> None:
        if placed.done():
            pick.abandon()
        else:
            placed.set_result(pick)

    def refuse(refusal: Refusal) -> None:
        if refusal.code is grpc.StatusCode.CANCELLED:
            # The channel was closed, which grpc.aio tells its callers by cancelling them.
            placed.cancel()
        elif not placed.done():
            placed.set_exception(aio_error(refusal))

    placement = Placement(cluster, context, deadline, bool(wait_for_ready), place, refuse)
    placement.start(loop)
    try:
        return await placed
    except asyncio.CancelledError:
        placement.cancel()
        if placed.done() and not placed.cancelled() and placed.exception() is None:
            placed.result().abandon()
        raise


class UnaryUnary(AioCalls, grpc.aio.UnaryUnaryMultiCallable[Any, Any]):
    """Starts unary-unary calls."""

    deferred = UnaryUnaryDeferred


class UnaryStream(AioCalls, grpc.aio.UnaryStreamMultiCallable[Any, Any]):
    """Starts unary-stream calls."""

    deferred = UnaryStreamDeferred
    guards = True


class _StreamedRequests(AioCalls):
    """Its first parameter is called like grpc.aio's, and may be missing."""

    guards = True

    def __call__(  # type: ignore[override]
        self, request_iterator: Any = None, *more: Any, **options: Any
    ) -> Any:
        return super().__call__(request_iterator, *more, **options)


class StreamUnary(_StreamedRequests, grpc.aio.StreamUnaryMultiCallable):  # type: ignore[type-arg]  # by old grpcio
    """Starts stream-unary calls."""

    deferred = StreamUnaryDeferred

    def _guarded(self, pick: Pick, call: Any, request: Any) -> Any:
        # With all its requests at hand it ends without its owner.
        return super()._guarded(pick, call, request) if request is None else call


class StreamStream(_StreamedRequests, grpc.aio.StreamStreamMultiCallable):  # type: ignore[type-arg]  # by old grpcio
    """Starts stream-stream calls."""

    deferred = StreamStreamDeferred


CALLS: dict[str, type[AioCalls]] = {
    "unary_unary": UnaryUnary,
    "unary_stream": UnaryStream,
    "stream_unary": StreamUnary,
    "stream_stream": StreamStream,
}
