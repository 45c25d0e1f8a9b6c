"""Starting calls of asyncio: straight to the picked connection, or deferred until there is one.

The hot path adds a pick and a done callback to what grpc.aio does, and returns grpc.aio's own call where it ends without
its owner: with one response, and with its requests at hand.
"""

import asyncio
import weakref
from collections.abc import Coroutine
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
from .cluster import Cluster
from .load_reports import asking, with_report
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
        """Remember a deferred call, to cancel it when the channel closes."""
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

    def call(
        self,
        request: Any,
        timeout: float | None,
        metadata: Any,
        credentials: grpc.CallCredentials | None,
        wait_for_ready: bool | None,
        compression: grpc.Compression | None,
    ) -> Any:
        """Start a call, now if there is an endpoint for it."""
        pick = self._placed(metadata, wait_for_ready)
        if pick is not None:
            call = self._start(pick, request, timeout, metadata, credentials, compression)
            return self._guarded(pick, call, request) if self.guards else call
        context, deadline = self._context(metadata), Deadline(timeout)
        loop = self._owner.prepare()
        starting = self._start_later(context, deadline, request, metadata, credentials, wait_for_ready, compression)
        deferred = self.deferred(loop, starting=starting, deadline_at=deadline.at)
        deferred.written = request is None
        self._owner.track(deferred)
        return deferred

    def _guarded(self, pick: Pick, call: Any, request: Any) -> Any:
        deferred = self.deferred(self._owner.prepare(), call)
        deferred.written = request is None
        if not pick.node.proven:
            deferred.heard = pick.answered
        return deferred

    def _start(
        self,
        pick: Pick,
        request: Any,
        timeout: float | None,
        metadata: Any,
        credentials: grpc.CallCredentials | None,
        compression: grpc.Compression | None,
    ) -> Any:
        """The call on the picked connection. The pick is given back when the call is done, or cannot be started."""
        try:
            start = self._callables.get(pick.node) or self._callable_for(pick.node)
            if self._cluster.wants_reports:
                metadata = asking(metadata)
            # Waiting for ready is over once there is a ready endpoint. Told to the connection too it would tie the call
            # to this endpoint, should it be lost in this moment, for as long as the deadline.
            call = start(request, timeout=timeout, metadata=metadata, credentials=credentials, compression=compression)
        except BaseException:
            pick.abandon()
            raise
        # What is registered also holds the channel, which lives as long as its calls even when nothing else refers to it.
        try:
            # What a call's own `add_done_callback` registers refers back to the call: a cycle per call, left to the garbage
            # collector (docs/adr/0042).
            getattr(call, CORE).add_done_callback(partial(self._ended, pick, weakref.ref(call)))
        except AttributeError:
            call.add_done_callback(partial(self._done, pick))
        if metadata and doubtful(metadata):
            _end_with_task(call)
        return call

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

    async def _start_later(
        self,
        context: Request,
        deadline: Deadline,
        request: Any,
        metadata: Any,
        credentials: grpc.CallCredentials | None,
        wait_for_ready: bool | None,
        compression: grpc.Compression | None,
    ) -> Any:
        pick = await wait_for_pick(self._cluster, context, deadline, wait_for_ready)
        return self._start(pick, request, deadline.remaining_s(), metadata, credentials, compression)


def _end_with_task(call: Any) -> None:
    """End the call if its task fails.

    Metadata that is illegal is refused in the task of grpc.aio's call, and gRPC's own call is then never done: it would be
    counted until the garbage collector finds it. To watch the task costs 1 µs, so only calls whose metadata may be refused
    are watched.
    """
    task = getattr(call, "_call_response", None) or getattr(call, "_preparation", None)
    if task is not None:
        task.add_done_callback(partial(_task_over, weakref.ref(call)))


def _task_over(watched: "weakref.ref[Any]", task: "asyncio.Task[Any]") -> None:
    call = watched()
    if call is not None and not task.cancelled() and task.exception() is not None:
        call.cancel()


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

    def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        return self.call(request, timeout, metadata, credentials, wait_for_ready, compression)


class UnaryStream(AioCalls, grpc.aio.UnaryStreamMultiCallable[Any, Any]):
    """Starts unary-stream calls."""

    deferred = UnaryStreamDeferred
    guards = True

    __call__ = UnaryUnary.__call__


class _StreamedRequests(AioCalls):
    def __call__(
        self,
        request_iterator: Any = None,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        return self.call(request_iterator, timeout, metadata, credentials, wait_for_ready, compression)


class StreamUnary(_StreamedRequests, grpc.aio.StreamUnaryMultiCallable[Any, Any]):
    """Starts stream-unary calls."""

    deferred = StreamUnaryDeferred
    guards = True

    def _guarded(self, pick: Pick, call: Any, request: Any) -> Any:
        # With all its requests at hand it ends without its owner.
        return super()._guarded(pick, call, request) if request is None else call


class StreamStream(_StreamedRequests, grpc.aio.StreamStreamMultiCallable[Any, Any]):
    """Starts stream-stream calls."""

    deferred = StreamStreamDeferred
    guards = True


CALLS: dict[str, type[AioCalls]] = {
    "unary_unary": UnaryUnary,
    "unary_stream": UnaryStream,
    "stream_unary": StreamUnary,
    "stream_stream": StreamStream,
}
