"""Starting calls from threads: straight to the picked connection, or after waiting for one."""

import weakref
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import grpc

from ..balance import Pick, Request
from .cluster import Cluster
from .deferred import DeferredCall
from .load_reports import asking, with_report
from .loop import Loop
from .method import Method, MethodCalls
from .outcome import CANCELLED, OK, outcome_of
from .placement import Deadline, Placement, Refusal
from .rpc_error import RefusedCall
from .streams import Streams


class Owner(Protocol):
    """The channel that a method belongs to."""

    cluster: Cluster

    def prepare(self) -> Loop:
        """The loop to run in. Raises ValueError if the channel is closed."""
        ...

    def notify(self, callback: Callable[..., object], *args: object) -> None:
        """Run a user's callback where it may block."""
        ...


class SyncCalls(MethodCalls):
    """Starts the calls of one method. Behaves like grpc's multi-callables."""

    def __init__(self, owner: Owner, method: Method) -> None:
        self._streams = Streams(owner.notify) if method.arity.endswith("stream") else None
        if self._streams is not None:
            method = replace(method, deserializer=self._streams.watching(method.deserializer))
        super().__init__(owner.cluster, method)
        # The owner stays alive as long as one of its stubs is used.
        self._owner = owner

    def _conduct(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
        *,
        how: str = "",
    ) -> Any:
        """A call to its end, by the method `how` of grpc's multi-callable."""
        pick = self._placed(metadata, wait_for_ready)
        if pick is None:
            context, deadline = self._context(metadata), Deadline(timeout)
            pick = _wait_for_pick(self._owner.prepare(), self._cluster, context, deadline, wait_for_ready)
            timeout = deadline.remaining_s()
        outcome, reports = CANCELLED, self._cluster.wants_reports
        try:
            conduct = self._callables.get(pick.node) or self._callable_for(pick.node)
            if reports:
                conduct, metadata = conduct.with_call, asking(metadata)
            elif how:
                conduct = getattr(conduct, how)
            response = conduct(
                request, timeout=timeout, metadata=metadata, credentials=credentials, compression=compression
            )
            outcome = OK
            if reports:
                answered, call = response
                outcome = with_report(OK, call.trailing_metadata())
                return response if how else answered
        except grpc.RpcError as error:
            outcome = outcome_of(error.code())
            if reports:
                outcome = with_report(outcome, error.trailing_metadata())
            raise
        finally:
            pick.done(outcome)
        return response

    def _begin(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
        *,
        how: str = "",
    ) -> Any:
        """A future or a stream: grpc's own if there is an endpoint for it, else one that stands for it."""
        pick = self._placed(metadata, wait_for_ready)
        if pick is not None and (how or pick.node.proven):
            return self._start(request, metadata, credentials, compression, pick, timeout, how)
        start = partial(self._start, request, metadata, credentials, compression, how=how)
        deferred = DeferredCall(start, Deadline(timeout), self._owner.notify)
        if pick is None:
            deferred.place(self._cluster, self._context(metadata), bool(wait_for_ready), self._owner.prepare())
        else:
            # grpc's own stream does not tell when its first response is there.
            deferred.probes(pick)
            deferred.settle(start(pick, timeout))
        return deferred

    def _follow(self, pick: Pick, call: Any, metadata: Any) -> None:
        followed = weakref.ref(call)
        if self._streams is not None:
            self._streams.add(pick, followed)
        ended = partial(self._ended, pick, followed)
        if not call.add_callback(ended):
            ended()

    def _ended(self, pick: Pick, call: "weakref.ref[Any]") -> None:
        if self._streams is not None:
            self._streams.remove(pick)
        ended = call()
        outcome = CANCELLED if ended is None else outcome_of(ended.code())
        if ended is not None and self._cluster.wants_reports:
            outcome = with_report(outcome, ended.trailing_metadata())
        pick.done(outcome)


def _wait_for_pick(loop: Loop, cluster: Cluster, context: Request, deadline: Deadline, wait_for_ready: Any) -> Pick:
    """A node for the call as soon as there is one. Raises RefusedCall when waiting is over or pointless."""
    placed: Future[Pick] = Future()
    placement = Placement(cluster, context, deadline, bool(wait_for_ready), placed.set_result, placed.set_exception)
    loop.call_soon_threadsafe(placement.start, loop)
    try:
        return placed.result()
    except Refusal as refusal:
        raise RefusedCall(refusal) from refusal.cause
    except BaseException:
        # Interrupted, as by Ctrl-C: a node that was or will be picked all the same is given back.
        placed.add_done_callback(_give_back)
        loop.call_soon_threadsafe(placement.cancel)
        raise


def _give_back(placed: "Future[Pick]") -> None:
    if placed.exception() is None:
        placed.result().abandon()


class UnaryUnary(SyncCalls, grpc.UnaryUnaryMultiCallable):  # type: ignore[type-arg]
    """Starts unary-unary calls."""

    __call__ = SyncCalls._conduct

    def with_call(self, request: Any, *more: Any, **options: Any) -> Any:
        return self._conduct(request, *more, how="with_call", **options)

    def future(self, request: Any, *more: Any, **options: Any) -> Any:
        return self._begin(request, *more, how="future", **options)


class UnaryStream(SyncCalls, grpc.UnaryStreamMultiCallable):  # type: ignore[type-arg]
    """Starts unary-stream calls."""

    __call__ = SyncCalls._begin


class StreamUnary(SyncCalls, grpc.StreamUnaryMultiCallable):  # type: ignore[type-arg]
    """Starts stream-unary calls. Like grpc's, it calls its first parameter `request_iterator`."""

    def __call__(self, request_iterator: Any, *more: Any, **options: Any) -> Any:
        return self._conduct(request_iterator, *more, **options)

    def with_call(self, request_iterator: Any, *more: Any, **options: Any) -> Any:
        return self._conduct(request_iterator, *more, how="with_call", **options)

    def future(self, request_iterator: Any, *more: Any, **options: Any) -> Any:
        return self._begin(request_iterator, *more, how="future", **options)


class StreamStream(SyncCalls, grpc.StreamStreamMultiCallable):  # type: ignore[type-arg]
    """Starts stream-stream calls. Like grpc's, it calls its first parameter `request_iterator`."""

    def __call__(self, request_iterator: Any, *more: Any, **options: Any) -> Any:
        return self._begin(request_iterator, *more, **options)


CALLS: dict[str, type[SyncCalls]] = {
    "unary_unary": UnaryUnary,
    "unary_stream": UnaryStream,
    "stream_unary": StreamUnary,
    "stream_stream": StreamStream,
}
