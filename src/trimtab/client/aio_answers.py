"""Calls that an interceptor answered itself."""

from collections.abc import AsyncIterator, Callable, Generator
from typing import Any

import grpc
import grpc.aio

OF_NO_CHANNEL = object()
"""What every call has for its `_channel` that grpc.aio did not make: a channel of grpcio before 1.83 that is being closed asks for it all
calls that are awaited in its loop, and fails where there is none."""


class Answer(grpc.aio.UnaryUnaryCall[Any, Any], grpc.aio.StreamUnaryCall[Any, Any]):
    """A finished call with a response that no server gave."""

    _channel = OF_NO_CHANNEL

    def __init__(self, response: Any) -> None:
        self._response = response

    def __await__(self) -> Generator[Any, None, Any]:
        return self._respond().__await__()

    async def _respond(self) -> Any:
        return self._response

    def cancel(self) -> bool:
        return False

    def cancelled(self) -> bool:
        return False

    def done(self) -> bool:
        return True

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        callback(self)

    def time_remaining(self) -> float | None:
        return None

    async def initial_metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata()

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata()

    async def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.OK

    async def details(self) -> str:
        return ""

    async def debug_error_string(self) -> str:
        return ""

    async def wait_for_connection(self) -> None:
        return None

    async def write(self, request: Any) -> None:
        raise grpc.aio.UsageError("The interceptor answered this call: nobody reads what is written to it.")

    async def done_writing(self) -> None:
        return None


class StreamedAnswer(grpc.aio.UnaryStreamCall[Any, Any], grpc.aio.StreamStreamCall[Any, Any]):
    """Responses from an interceptor's own iterator; everything else from the call behind it, where there is one."""

    _channel = OF_NO_CHANNEL

    def __init__(self, responses: AsyncIterator[Any], call: grpc.aio.Call | None) -> None:
        self._responses = responses
        self._call: Any = Answer(None) if call is None else call

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._responses

    async def read(self) -> Any:
        return await anext(self._responses, grpc.aio.EOF)

    def cancel(self) -> bool:
        return bool(self._call.cancel())

    def cancelled(self) -> bool:
        return bool(self._call.cancelled())

    def done(self) -> bool:
        return bool(self._call.done())

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self._call.add_done_callback(callback)

    def time_remaining(self) -> float | None:
        remaining: float | None = self._call.time_remaining()
        return remaining

    async def initial_metadata(self) -> Any:
        return await self._call.initial_metadata()

    async def trailing_metadata(self) -> Any:
        return await self._call.trailing_metadata()

    async def code(self) -> Any:
        return await self._call.code()

    async def details(self) -> Any:
        return await self._call.details()

    async def debug_error_string(self) -> Any:
        return await self._call.debug_error_string()

    async def wait_for_connection(self) -> None:
        await self._call.wait_for_connection()

    async def write(self, request: Any) -> None:
        await self._call.write(request)

    async def done_writing(self) -> None:
        await self._call.done_writing()
