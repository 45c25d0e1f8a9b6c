"""Backends: real servers on addresses of their own that answer with their name."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import grpc
import grpc.aio
from aiohttp import web

from tests.e2e.kubernetes import Pod

_DRAIN_S = 5.0
P = TypeVar("P", bound="GrpcPod")


@contextlib.asynccontextmanager
async def grpc_pod(pod: Pod) -> AsyncIterator["GrpcPod"]:
    """A Pod that serves gRPC for as long as the block lasts."""
    async with running(GrpcPod(pod)) as server:
        yield server


@contextlib.asynccontextmanager
async def running(server: P) -> AsyncIterator[P]:
    """It serves for as long as the block lasts."""
    await server.start()
    try:
        yield server
    finally:
        await server.stop(None)


class GrpcPod:
    """A gRPC server that says its Pod's name."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        # The address is held by a socket that does not listen; the server takes it beside that one.
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 1)])
        handler: Any = grpc.unary_unary_rpc_method_handler(self._who)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("echo.Echo", {"Who": handler}),))
        self._server.add_insecure_port(f"{pod.address}:{pod.port}")

    async def start(self) -> None:
        await self._server.start()

    async def stop(self, grace_s: float | None = _DRAIN_S) -> None:
        """As at SIGTERM: take no more calls, finish those that are open."""
        await self._server.stop(grace_s)

    async def _who(self, request: bytes, context: Any) -> bytes:
        return self.pod.name.encode()


class FailingPod(GrpcPod):
    """It takes calls, and every one fails."""

    async def _who(self, request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.INTERNAL, f"{self.pod.name} is out of order")
        raise AssertionError("abort raises")


class HoldingPod(GrpcPod):
    """It answers no call before `release` is set."""

    def __init__(self, pod: Pod) -> None:
        super().__init__(pod)
        self.held = 0
        self.release = asyncio.Event()

    async def _who(self, request: bytes, context: Any) -> bytes:
        self.held += 1
        await self.release.wait()
        return await super()._who(request, context)


@contextlib.asynccontextmanager
async def http_pod(pod: Pod) -> AsyncIterator[None]:
    """A Pod that serves HTTP/1.1 for as long as the block lasts; it answers with its name and the path."""

    async def who(request: web.Request) -> web.Response:
        return web.Response(text=pod.name, headers={"x-path": request.path})

    application = web.Application()
    application.router.add_get("/{path:.*}", who)
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, pod.address, pod.port, reuse_port=True).start()
        yield
    finally:
        await runner.cleanup()
