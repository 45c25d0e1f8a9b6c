"""Trimtab's errors as the exceptions that callers of gRPC catch."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Never, Self

import grpc
import grpc.aio

from .placement import Refusal


class RefusedCall(grpc.RpcError, grpc.Call, grpc.Future):  # type: ignore[type-arg]  # generic only in its stubs
    """A call that was never sent, as exception, call, future and stream in one: what grpc's own failed calls are."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.details)
        self._refusal = refusal
        self.__cause__ = refusal.cause

    def code(self) -> grpc.StatusCode:
        return self._refusal.code

    def details(self) -> str:
        return self._refusal.details

    def debug_error_string(self) -> str:
        return ""

    def initial_metadata(self) -> tuple[()]:
        return ()

    def trailing_metadata(self) -> tuple[()]:
        return ()

    def is_active(self) -> bool:
        return False

    def time_remaining(self) -> Any:
        return None

    def add_callback(self, callback: Callable[[], None]) -> bool:
        return False

    def add_done_callback(self, fn: Callable[[Any], None]) -> None:
        fn(self)

    def cancel(self) -> bool:
        return False

    def cancelled(self) -> bool:
        return self._refusal.code is grpc.StatusCode.CANCELLED

    def running(self) -> bool:
        return False

    def done(self) -> bool:
        return True

    def result(self, timeout: float | None = None) -> Never:
        if self.cancelled():
            raise grpc.FutureCancelledError
        raise self

    def exception(self, timeout: float | None = None) -> Exception:
        if self.cancelled():
            raise grpc.FutureCancelledError
        return self

    def traceback(self, timeout: float | None = None) -> TracebackType | None:
        return self.exception().__traceback__

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Never:
        raise self

    def __str__(self) -> str:
        return f"{self.code().name}: {self.details()}"


def aio_error(refusal: Refusal) -> grpc.aio.AioRpcError:
    """The same for asyncio."""
    nothing = grpc.aio.Metadata()
    error = grpc.aio.AioRpcError(refusal.code, nothing, nothing, details=refusal.details, debug_error_string="")
    error.__cause__ = refusal.cause
    return error
