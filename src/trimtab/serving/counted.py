"""A method handler whose calls are counted and carry a load report in their trailers.

The kind of a handler must stay what it was: gRPC looks at whether it is a coroutine function, an asynchronous generator
or neither.
"""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, Final

import grpc

from ..xds.orca import ASK, TRAILER, VISIBLE_TRAILER
from .load import Call, Load

FAILURES: Final = frozenset(
    code.value[0]
    for code in (
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    )
)
"""What speaks against a server; other codes speak about the request. Those that linkerd's load biaser counts."""

_OURS: Final = (TRAILER, VISIBLE_TRAILER)
_UNKNOWN: Final = grpc.StatusCode.UNKNOWN.value[0]

Handler = Any
"""grpc.RpcMethodHandler, whose type says less than we read."""


def counted(handler: Handler, load: Load) -> Handler:
    """`handler` for one call, which begins now."""
    build, behaviour = _PARTS[handler.request_streaming, handler.response_streaming](handler)
    if getattr(behaviour, "experimental_non_blocking", False):
        # Answers by callback after it has returned: there is no telling when such a call ends.
        return handler
    wrapped = _wrapped(behaviour, handler.response_streaming, load, load.begin())
    return build(wrapped, handler.request_deserializer, handler.response_serializer)


_PARTS: Final[dict[tuple[bool, bool], Callable[[Handler], tuple[Any, Any]]]] = {
    (False, False): lambda handler: (grpc.unary_unary_rpc_method_handler, handler.unary_unary),
    (False, True): lambda handler: (grpc.unary_stream_rpc_method_handler, handler.unary_stream),
    (True, False): lambda handler: (grpc.stream_unary_rpc_method_handler, handler.stream_unary),
    (True, True): lambda handler: (grpc.stream_stream_rpc_method_handler, handler.stream_stream),
}


def _wrapped(behaviour: Any, streams: bool, load: Load, call: Call) -> Any:
    if inspect.isasyncgenfunction(behaviour):

        async def generate(request: Any, context: Any) -> Any:
            with Served(load, call, context):
                async for response in behaviour(request, context):
                    yield response

        return generate
    if inspect.iscoroutinefunction(behaviour):

        async def serve(request: Any, context: Any) -> Any:
            with Served(load, call, context):
                return await behaviour(request, context)

        return serve
    if streams:

        def iterate(request: Any, context: Any) -> Any:
            with Served(load, call, context):
                yield from behaviour(request, context)

        return iterate

    def answer(request: Any, context: Any) -> Any:
        with Served(load, call, context):
            return behaviour(request, context)

    return answer


class Served:
    """While the handler runs; then the call has ended, and its trailers say how loaded the server is."""

    __slots__ = ("_call", "_context", "_load", "_visible")

    def __init__(self, load: Load, call: Call, context: Any) -> None:
        self._load = load
        self._call = call
        self._context = context
        self._visible = any(key == ASK[0] for key, _ in context.invocation_metadata() or ())

    def __enter__(self) -> None:
        # Already now, for `abort` of grpc.aio sends the trailers at once.
        self._report()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        # Before the call ends: its own share of the load belongs to the report. A plain function in a grpc.aio server gets a
        # context that cannot be asked for the trailers the handler has set; they must stay.
        if hasattr(self._context, "trailing_metadata"):
            self._report()
        self._call.end(failed=self._failed(kind))

    def _failed(self, kind: type[BaseException] | None) -> bool:
        if kind is not None and issubclass(kind, (asyncio.CancelledError, GeneratorExit)):
            return False
        code = self._context.code() if hasattr(self._context, "code") else None
        number: int = code.value[0] if isinstance(code, grpc.StatusCode) else int(code or 0)
        if kind is not None and not number:
            number = _UNKNOWN
        return number in FAILURES

    def _report(self) -> None:
        report = self._load.encoded()
        ours = [(TRAILER, report)]
        if self._visible:
            ours.append((VISIBLE_TRAILER, report))
        set_so_far: Any = getattr(self._context, "trailing_metadata", tuple)() or ()
        others = (item for item in set_so_far if item[0] not in _OURS)
        self._context.set_trailing_metadata((*others, *ours))
