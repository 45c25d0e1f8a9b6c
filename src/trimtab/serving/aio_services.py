"""The pod's answers about itself, from a grpc.aio server."""

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from ..errors import ProtocolError
from ..xds.health import HEALTH_SERVICE
from ..xds.orca import ORCA_SERVICE
from .answers import Answers, refused

_Context = grpc.aio.ServicerContext[bytes, bytes]
_Stream = Callable[[bytes, _Context], Awaitable[None]]


def aio_handlers(answers: Answers) -> tuple[grpc.GenericRpcHandler, ...]:
    """What a grpc.aio server registers."""

    async def check(request: bytes, context: _Context) -> bytes:
        try:
            answer = answers.check(request)
        except ProtocolError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, refused(error))
        if answer is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service here")
        return answer

    methods: dict[str, dict[str, Any]] = {
        HEALTH_SERVICE: {
            "Check": grpc.unary_unary_rpc_method_handler(check),
            "Watch": grpc.unary_stream_rpc_method_handler(_streaming(answers.watch)),
        },
        ORCA_SERVICE: {"StreamCoreMetrics": grpc.unary_stream_rpc_method_handler(_streaming(answers.reports))},
    }
    return tuple(grpc.method_handlers_generic_handler(service, handlers) for service, handlers in methods.items())


def _streaming(answers: Callable[[bytes], AsyncGenerator[bytes, None]]) -> _Stream:
    async def stream(request: bytes, context: _Context) -> None:
        try:
            responses = answers(request)
        except ProtocolError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, refused(error))
        async with contextlib.aclosing(responses):
            async for response in responses:
                await context.write(response)

    return stream
