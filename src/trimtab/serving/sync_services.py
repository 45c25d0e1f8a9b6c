"""The pod's answers about itself, from a grpc.Server.

Streams are written from the event loop that the lifecycle keeps beside a synchronous server: a thread of the server's pool
for each of them would leave none for calls.
"""

import asyncio
import concurrent.futures
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import grpc

from ..errors import ProtocolError
from ..xds.health import HEALTH_SERVICE
from ..xds.orca import ORCA_SERVICE
from .answers import Answers, refused

_Open = Callable[[bytes], AsyncGenerator[bytes, None]]


def sync_handlers(answers: Answers, loop: asyncio.AbstractEventLoop) -> tuple[grpc.GenericRpcHandler, ...]:
    """What a grpc.Server registers; streams run in `loop`."""

    def check(request: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            answer = answers.check(request)
        except ProtocolError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, refused(error))
        if answer is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service here")
        return answer

    methods: dict[str, dict[str, Any]] = {
        HEALTH_SERVICE: {
            "Check": grpc.unary_unary_rpc_method_handler(check),
            "Watch": grpc.unary_stream_rpc_method_handler(_streaming(answers.watch, loop)),
        },
        ORCA_SERVICE: {"StreamCoreMetrics": grpc.unary_stream_rpc_method_handler(_streaming(answers.reports, loop))},
    }
    return tuple(grpc.method_handlers_generic_handler(service, handlers) for service, handlers in methods.items())


def _streaming(answers: _Open, loop: asyncio.AbstractEventLoop) -> Any:
    def stream(
        request: bytes, context: grpc.ServicerContext, send: Callable[[bytes | None], None] | None = None
    ) -> Iterator[bytes] | None:
        try:
            responses = answers(request)
        except ProtocolError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, refused(error))
        if send is None:
            # Another interceptor has hidden that this handler does not block; then it must.
            return _blocking(responses, loop)
        sending = asyncio.run_coroutine_threadsafe(_send_all(responses, send), loop)
        if not context.add_callback(lambda: _cancel(sending)):
            sending.cancel()
        return None

    # The two attributes by which grpcio's own health servicer keeps its streams off the pool (grpc_health.v1.health).
    stream.experimental_non_blocking = True  # type: ignore[attr-defined]
    return stream


def _cancel(sending: "concurrent.futures.Future[None]") -> None:
    sending.cancel()


async def _send_all(responses: AsyncGenerator[bytes, None], send: Callable[[bytes | None], None]) -> None:
    async with contextlib.aclosing(responses):
        async for response in responses:
            send(response)
    send(None)


def _blocking(responses: AsyncGenerator[bytes, None], loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    async def following() -> bytes | None:
        return await anext(responses, None)

    while (response := asyncio.run_coroutine_threadsafe(following(), loop).result()) is not None:
        yield response
