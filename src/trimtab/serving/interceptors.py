"""What a gRPC server is made with, so that its calls are counted: interceptors cannot be added to it later."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
import grpc.aio

from ..xds.health import HEALTH_SERVICE
from ..xds.orca import ORCA_SERVICE
from .counted import counted
from .load import Load

_UNCOUNTED: Final = (f"/{HEALTH_SERVICE}/", f"/{ORCA_SERVICE}/")
"""Calls about the server are no load, and their streams never end."""


class LoadInterceptor(grpc.ServerInterceptor):
    """For `grpc.server(…, interceptors=[…])`. Put it first, so that it sees what the others refuse."""

    def __init__(self, load: Load) -> None:
        self._load = load

    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        """Count the call from its arrival on, the wait for a thread included."""
        handler = continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(_UNCOUNTED):
            return handler
        return counted(handler, self._load)


class AioLoadInterceptor(grpc.aio.ServerInterceptor):
    """For `grpc.aio.server(interceptors=[…])`. Put it first, so that it sees what the others refuse."""

    def __init__(self, load: Load) -> None:
        self._load = load

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        """Count the call from its arrival on."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(_UNCOUNTED):
            return handler
        return counted(handler, self._load)
