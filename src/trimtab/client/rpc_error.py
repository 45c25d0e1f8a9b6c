"""Trimtab's errors as the exceptions that callers of gRPC catch."""

import grpc
import grpc.aio

from .placement import Refusal


class RefusedCall(grpc.RpcError, grpc.Call):
    """A call that was never sent: no endpoint could take it. The synchronous world's counterpart of AioRpcError."""

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

    def time_remaining(self) -> float:
        return 0.0

    def cancel(self) -> bool:
        return False

    def add_callback(self, callback: object) -> bool:
        return False

    def __str__(self) -> str:
        return f"{self.code().name}: {self.details()}"


def aio_error(refusal: Refusal) -> grpc.aio.AioRpcError:
    """The same for asyncio."""
    error = grpc.aio.AioRpcError(
        refusal.code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=refusal.details, debug_error_string=""
    )
    error.__cause__ = refusal.cause
    return error
