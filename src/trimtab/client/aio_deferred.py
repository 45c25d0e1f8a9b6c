"""Calls of asyncio that stand for a call still to come, or that guard one against being dropped.

grpc.aio hands out a call at once, but before the first assignment, or while interceptors run, there is none yet. These
objects take its place: they offer the whole interface of grpc.aio's calls and pass on to the real one once it exists.
With an endpoint at hand calls that end without their owner never see them. Those that need it always do, because it reads
their responses or writes their requests one by one: grpc.aio itself keeps such a call, dropped by its owner, open until the
channel closes; here it is cancelled.
"""

import asyncio
import contextlib
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from typing import Any

import grpc
import grpc.aio

from .aio_answers import OF_NO_CHANNEL
from .aio_writes import ALREADY_FINISHED, Writes

LOCALLY_CANCELLED = "Locally cancelled by application!"

DoneCallback = Callable[[Any], None]


class DeferredCall(grpc.aio.Call):
    """What all four arities have in common."""

    _channel = OF_NO_CHANNEL
    heard: Callable[[], object] | None = None
    """Called when the first response of a stream is there, where somebody wants to know."""
    written = False
    """Whether its owner has yet to write requests."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        call: Any = None,
        starting: Coroutine[Any, Any, Any] | None = None,
        deadline_at: float | None = None,
        writes: Writes | None = None,
    ) -> None:
        """Stands for `call`, or for the one that `starting` will return. `deadline_at` is in monotonic seconds.

        What the caller writes goes to `writes` if given, else to the real call.
        """
        self._loop = loop
        self._writes = writes
        self._call: Any = call
        self._deadline_at = deadline_at
        self._callbacks: list[DoneCallback] = []
        self._task: asyncio.Task[Any] | None = None
        if starting is not None:
            self._task = loop.create_task(starting)
            self._task.add_done_callback(self._started)

    def _started(self, task: "asyncio.Task[Any]") -> None:
        callbacks, self._callbacks = self._callbacks, []
        # Asking for the exception also tells asyncio that it was not forgotten.
        if task.cancelled() or task.exception() is not None:
            for callback in callbacks:
                callback(self)
            return
        self._call = task.result()
        for callback in callbacks:
            self.add_done_callback(callback)

    async def _real(self) -> Any:
        """The real call. Raises what kept it from coming to be."""
        if self._call is None:
            assert self._task is not None
            self._call = await self._task
        return self._call

    def _failure(self) -> BaseException | None:
        """Why there will never be a real call; None: there is one, or it is still to come."""
        if self._call is not None or self._task is None or not self._task.done():
            return None
        return asyncio.CancelledError() if self._task.cancelled() else self._task.exception()

    def cancel(self) -> bool:
        if self._call is not None:
            return bool(self._call.cancel())
        return self._task is not None and self._task.cancel()

    def cancelled(self) -> bool:
        if self._call is not None:
            return bool(self._call.cancelled())
        failure = self._failure()
        if isinstance(failure, grpc.aio.AioRpcError):
            return failure.code() is grpc.StatusCode.CANCELLED
        return isinstance(failure, asyncio.CancelledError)

    def done(self) -> bool:
        return bool(self._call.done()) if self._call is not None else self._failure() is not None

    def add_done_callback(self, callback: DoneCallback) -> None:
        if self._call is not None:
            # The real call must not keep this one alive: dropping this one ends it.
            this = weakref.ref(self)
            self._call.add_done_callback(lambda call: callback(this() or call))
        elif self._failure() is not None:
            callback(self)
        else:
            self._callbacks.append(callback)

    async def until_done(self) -> None:
        """Return once the call is done, however it ended."""
        done = asyncio.Event()
        self.add_done_callback(lambda _: done.set())
        await done.wait()

    def time_remaining(self) -> float | None:
        if self._call is not None:
            remaining: float | None = self._call.time_remaining()
            return remaining
        return None if self._deadline_at is None else max(0.0, self._deadline_at - time.monotonic())

    async def initial_metadata(self) -> Any:
        return await self._ask("initial_metadata", grpc.aio.Metadata())

    async def trailing_metadata(self) -> Any:
        return await self._ask("trailing_metadata", grpc.aio.Metadata())

    async def code(self) -> Any:
        return await self._ask("code", grpc.StatusCode.CANCELLED)

    async def details(self) -> Any:
        return await self._ask("details", LOCALLY_CANCELLED)

    async def debug_error_string(self) -> Any:
        return await self._ask("debug_error_string", "")

    async def _ask(self, what: str, if_cancelled: Any) -> Any:
        """`what` of the real call; of the error instead if it came to none."""
        try:
            call = await asyncio.shield(self._task) if self._call is None and self._task is not None else self._call
        except grpc.aio.AioRpcError as error:
            return getattr(error, what)()
        except asyncio.CancelledError:
            if self._task is not None and self._task.cancelled():
                return if_cancelled
            raise
        return await getattr(call, what)()

    async def wait_for_connection(self) -> None:
        await (await self._real()).wait_for_connection()

    def _dropped(self) -> None:
        """Nobody refers to it any more. In whichever thread it is collected."""
        call = self.__dict__.get("_call")
        if call is not None and not call.done():
            # A closed loop has no calls left to cancel.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(call.cancel)

    def __repr__(self) -> str:
        state = "waiting for an endpoint" if self._call is None and self._failure() is None else "started"
        return f"<{type(self).__name__} {state}: {self._call or self._failure()!r}>"


class _UnaryResponse(DeferredCall):
    def __await__(self) -> Generator[Any, None, Any]:
        return self._response().__await__()

    async def _response(self) -> Any:
        return await (await self._real())


class _StreamedResponse(DeferredCall):
    """Is its own iterator: whoever only iterates still holds the call, and dropping the iterator drops the call."""

    _next: Callable[[], Awaitable[Any]] | None = None

    def __aiter__(self) -> AsyncIterator[Any]:
        if self._call is not None and self._next is None and self.heard is None:
            self._next = aiter(self._call).__anext__
        return self

    def __anext__(self) -> Awaitable[Any]:
        return self._next() if self._next is not None else self._first()

    async def _first(self) -> Any:
        call = await self._real()
        if self._next is None:
            self._next = aiter(call).__anext__
        response = await self._next()
        self._hear()
        return response

    async def read(self) -> Any:
        response = await (await self._real()).read()
        if response is not grpc.aio.EOF:
            self._hear()
        return response

    def _hear(self) -> None:
        if self.heard is not None:
            self.heard()
            self.heard = None

    def __del__(self) -> None:
        self._dropped()


class _StreamedRequest(DeferredCall):
    async def write(self, request: Any) -> None:
        call = await self._writable()
        await (call.write(request) if self._writes is None else self._writes.put(request, call))

    async def done_writing(self) -> None:
        call = await self._writable()
        if self._writes is None:
            await call.done_writing()
        else:
            self._writes.close()
        self.written = False

    async def _writable(self) -> Any:
        try:
            return await self._real()
        except asyncio.CancelledError:
            if self._task is not None and self._task.cancelled():
                raise asyncio.InvalidStateError(ALREADY_FINISHED) from None
            raise


class UnaryUnaryDeferred(_UnaryResponse, grpc.aio.UnaryUnaryCall[Any, Any]):
    """Stands for a unary-unary call."""


class UnaryStreamDeferred(_StreamedResponse, grpc.aio.UnaryStreamCall[Any, Any]):
    """Stands for a unary-stream call."""


class StreamUnaryDeferred(_UnaryResponse, _StreamedRequest, grpc.aio.StreamUnaryCall[Any, Any]):
    """Stands for a stream-unary call."""

    def __del__(self) -> None:
        if self.written:
            self._dropped()


class StreamStreamDeferred(_StreamedResponse, _StreamedRequest, grpc.aio.StreamStreamCall[Any, Any]):
    """Stands for a stream-stream call."""
