"""User interceptors of asyncio: run around the pick, so that every continuation picks anew."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio

from .aio_answers import Answer, StreamedAnswer
from .aio_calls import CALLS, AioCalls, Owner
from .aio_writes import Writes
from .method import Method
from .placement import Deadline

_INTERCEPTORS: dict[str, type[Any]] = {
    "unary_unary": grpc.aio.UnaryUnaryClientInterceptor,
    "unary_stream": grpc.aio.UnaryStreamClientInterceptor,
    "stream_unary": grpc.aio.StreamUnaryClientInterceptor,
    "stream_stream": grpc.aio.StreamStreamClientInterceptor,
}


def of_arity(arity: str, interceptors: Sequence[Any]) -> tuple[Callable[..., Any], ...]:
    """What each interceptor does for calls of `arity`, outermost first. Raises ValueError for what is no interceptor."""
    for interceptor in interceptors:
        if not isinstance(interceptor, tuple(_INTERCEPTORS.values())):
            kinds = " or ".join(kind.__name__ for kind in _INTERCEPTORS.values())
            # ValueError, as grpc.aio raises it.
            raise ValueError(  # noqa: TRY004
                f"Interceptor {interceptor!r} must be {kinds}."
            )
    kind = _INTERCEPTORS[arity]
    return tuple(getattr(item, f"intercept_{arity}") for item in interceptors if isinstance(item, kind))


def intercepted(owner: Owner, method: Method, interceptors: tuple[Callable[..., Any], ...]) -> AioCalls:
    """Calls of `method` that run through `interceptors`."""
    kind = type(f"Intercepted{CALLS[method.arity].__name__}", (CALLS[method.arity], _Intercepted), {})
    calls: AioCalls = kind(owner, method)
    assert isinstance(calls, _Intercepted)
    calls.interceptors = interceptors
    return calls


class _Intercepted(AioCalls):
    """Every call is a deferred one here: what it stands for is known when the interceptors have run."""

    interceptors: tuple[Callable[..., Any], ...] = ()

    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        loop = self._owner.prepare()
        details = grpc.aio.ClientCallDetails(
            self._method.name.encode(),  # type: ignore[arg-type]  # bytes, as interceptors get them from grpc.aio
            timeout,
            as_metadata(metadata),
            credentials,
            wait_for_ready,
        )
        writes = Writes() if request is None and self._method.arity.startswith("stream") else None
        running = self._run(self.interceptors, compression, details, request if writes is None else writes)
        return self._deferred(
            writes is not None, loop, starting=running, deadline_at=Deadline(timeout).at, writes=writes
        )

    async def _run(
        self,
        interceptors: tuple[Callable[..., Any], ...],
        compression: grpc.Compression | None,
        details: grpc.aio.ClientCallDetails,
        request: Any,
    ) -> grpc.aio.Call:
        if not interceptors:
            return self._proceed(compression, details, request)
        calls: list[grpc.aio.Call] = []

        async def continuation(details: grpc.aio.ClientCallDetails, request: Any) -> grpc.aio.Call:
            calls.append(await self._run(interceptors[1:], compression, details, request))
            return calls[-1]

        try:
            result = await interceptors[0](continuation, details, request)
        except BaseException:
            # Nobody will ever ask for what these calls bring.
            for call in calls:
                call.cancel()
            raise
        if isinstance(result, grpc.aio.Call):
            return result
        if self._method.arity.endswith("stream"):
            return StreamedAnswer(aiter(result), calls[-1] if calls else None)
        return Answer(result)

    def _proceed(
        self, compression: grpc.Compression | None, details: grpc.aio.ClientCallDetails, request: Any
    ) -> grpc.aio.Call:
        given: Any = details.method
        name = given.decode() if isinstance(given, bytes) else given
        method = self._method if name == self._method.name else replace(self._method, name=name)
        call: grpc.aio.Call = CALLS[method.arity](self._owner, method)(
            request, details.timeout, details.metadata, details.credentials, details.wait_for_ready, compression
        )
        return call


def as_metadata(metadata: Any) -> grpc.aio.Metadata:
    """Metadata as interceptors get it from grpc.aio, where it can be added to."""
    return metadata if isinstance(metadata, grpc.aio.Metadata) else grpc.aio.Metadata(*(metadata or ()))
