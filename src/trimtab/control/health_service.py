"""`grpc.health.v1` on the xDS port: what Kubernetes' gRPC probes and load balancers ask (grpc/doc/health-checking.md)."""

import asyncio
from collections.abc import Collection
from typing import Any

import grpc
import grpc.aio

from ..errors import ProtocolError
from ..xds.health import HEALTH_SERVICE, ServingStatus, encode_health_response, parse_health_request

_Context = grpc.aio.ServicerContext[bytes, bytes]


class HealthService:
    """SERVING from the first complete load until draining begins, for the server and each service by its name."""

    def __init__(self, services: Collection[str], complete: asyncio.Event, draining: asyncio.Event) -> None:
        self._services = frozenset({"", *services})
        self._complete = complete
        self._draining = draining

    def handler(self) -> grpc.GenericRpcHandler:
        """What a gRPC server registers."""
        methods: dict[str, Any] = {
            "Check": grpc.unary_unary_rpc_method_handler(self._check),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch),
        }
        return grpc.method_handlers_generic_handler(HEALTH_SERVICE, methods)

    @property
    def status(self) -> ServingStatus:
        """The status of everything there is."""
        serving = self._complete.is_set() and not self._draining.is_set()
        return ServingStatus.SERVING if serving else ServingStatus.NOT_SERVING

    async def _check(self, request: bytes, context: _Context) -> bytes:
        service = await _service(request, context)
        if service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no service {service!r} here")
        return encode_health_response(self.status)

    async def _watch(self, request: bytes, context: _Context) -> None:
        if await _service(request, context) not in self._services:
            # Not an error: whoever watches is told once the service is there.
            await context.write(encode_health_response(ServingStatus.SERVICE_UNKNOWN))
            await self._draining.wait()
            return
        status = self.status
        await context.write(encode_health_response(status))
        if status is ServingStatus.NOT_SERVING:
            await first_of(self._complete, self._draining)
            if self.status is not ServingStatus.SERVING:
                return
            await context.write(encode_health_response(ServingStatus.SERVING))
        await self._draining.wait()
        await context.write(encode_health_response(ServingStatus.NOT_SERVING))


async def _service(request: bytes, context: _Context) -> str:
    try:
        return parse_health_request(request)
    except ProtocolError as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        raise


async def first_of(*events: asyncio.Event) -> None:
    """Return once any of `events` is set."""
    if any(event.is_set() for event in events):
        return
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
