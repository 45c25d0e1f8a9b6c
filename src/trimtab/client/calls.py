"""Starting calls from threads: straight to the picked connection, or after waiting for one."""

import weakref
from collections.abc import Callable
from concurrent.futures import Future
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
        super().__init__(owner.cluster, method)
        # The owner stays alive as long as one of its stubs is used.
        self._owner = owner

    def _blocking(
        self,
        how: str,
        request: Any,
        timeout: float | None,
        metadata: Any,
        credentials: grpc.CallCredentials | None,
        wait_for_ready: bool | None,
        compression: grpc.Compression | None,
    ) -> Any:
        """Conduct a call to its end, with the method `how` of grpc's multi-callable."""
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

    def _started(
        self,
        how: str,
        request: Any,
        timeout: float | None,
        metadata: Any,
        credentials: grpc.CallCredentials | None,
        wait_for_ready: bool | None,
        compression: grpc.Compression | None,
    ) -> Any:
        """Start a future or a stream: grpc's own if there is an endpoint for it, else one that stands for it."""
        pick = self._placed(metadata, wait_for_ready)
        if pick is not None and (how or pick.node.proven):
            return self._start(how, request, metadata, credentials, compression, pick, timeout)
        start = partial(self._start, how, request, metadata, credentials, compression)
        deferred = DeferredCall(start, Deadline(timeout), self._owner.notify)
        if pick is None:
            deferred.place(self._cluster, self._context(metadata), bool(wait_for_ready), self._owner.prepare())
        else:
            # grpc's own stream does not tell when its first response is there.
            deferred.probes(pick)
            deferred.settle(start(pick, timeout))
        return deferred

    def _start(
        self,
        how: str,
        request: Any,
        metadata: Any,
        credentials: grpc.CallCredentials | None,
        compression: grpc.Compression | None,
        pick: Pick,
        timeout: float | None,
    ) -> Any:
        try:
            begin = self._callables.get(pick.node) or self._callable_for(pick.node)
            if how:
                begin = getattr(begin, how)
            if self._cluster.wants_reports:
                metadata = asking(metadata)
            call = begin(request, timeout=timeout, metadata=metadata, credentials=credentials, compression=compression)
        except BaseException:
            pick.abandon()
            raise
        # The callback must not hold the call: grpc cancels a call that its owner dropped. It holds the channel, which
        # lives as long as its calls even when nothing else refers to it, as grpc's own does.
        ended = partial(self._ended, pick, weakref.ref(call))
        if not call.add_callback(ended):
            ended()
        return call

    def _ended(self, pick: Pick, call: "weakref.ref[Any]") -> None:
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


class _Unary(SyncCalls):
    """Methods with a single response."""

    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        return self._blocking("", request, timeout, metadata, credentials, wait_for_ready, compression)

    def with_call(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        return self._blocking("with_call", request, timeout, metadata, credentials, wait_for_ready, compression)

    def future(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        return self._started("future", request, timeout, metadata, credentials, wait_for_ready, compression)


class _Streamed(SyncCalls):
    """Methods with a stream of responses."""

    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        return self._started("", request, timeout, metadata, credentials, wait_for_ready, compression)


class UnaryUnary(_Unary, grpc.UnaryUnaryMultiCallable):  # type: ignore[type-arg]
    """Starts unary-unary calls."""


class UnaryStream(_Streamed, grpc.UnaryStreamMultiCallable):  # type: ignore[type-arg]
    """Starts unary-stream calls."""


class StreamUnary(_Unary, grpc.StreamUnaryMultiCallable):  # type: ignore[type-arg]
    """Starts stream-unary calls. Like grpc's, it calls its first parameter `request_iterator`."""

    def __call__(self, request_iterator: Any, *more: Any, **options: Any) -> Any:  # type: ignore[override]
        return super().__call__(request_iterator, *more, **options)

    def with_call(self, request_iterator: Any, *more: Any, **options: Any) -> Any:  # type: ignore[override]
        return super().with_call(request_iterator, *more, **options)

    def future(self, request_iterator: Any, *more: Any, **options: Any) -> Any:  # type: ignore[override]
        return super().future(request_iterator, *more, **options)


class StreamStream(_Streamed, grpc.StreamStreamMultiCallable):  # type: ignore[type-arg]
    """Starts stream-stream calls."""

    def __call__(self, request_iterator: Any, *more: Any, **options: Any) -> Any:  # type: ignore[override]
        return super().__call__(request_iterator, *more, **options)


CALLS: dict[str, type[SyncCalls]] = {
    "unary_unary": UnaryUnary,
    "unary_stream": UnaryStream,
    "stream_unary": StreamUnary,
    "stream_stream": StreamStream,
}
