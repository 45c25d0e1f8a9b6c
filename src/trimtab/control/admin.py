"""Health, readiness, metrics and a look inside over HTTP: what the kubelet, Prometheus and `trimtab status` ask for."""

from collections.abc import Callable, Iterable

import structlog
from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from ..errors import ServeError
from .host_check import host_check
from .metrics import Metrics

log = structlog.get_logger(__name__)

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'",
    "X-Content-Type-Options": "nosniff",
}

NotReady = Callable[[], str | None]
"""Why the control plane is not ready; None: it is."""


class AdminServer:
    """`/healthz`, `/readyz`, `/metrics` and whatever `routes` add. Read-only, and on loopback unless told otherwise."""

    def __init__(self, metrics: Metrics, not_ready: NotReady, routes: Iterable[web.RouteDef] = ()) -> None:
        self._metrics = metrics
        self._not_ready = not_ready
        self._host = ""
        app = web.Application(middlewares=[host_check(lambda: self._host)])
        app.on_response_prepare.append(_add_headers)
        app.add_routes(routes)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._show_metrics)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)

    async def start(self, host: str, port: int) -> int:
        """Listen; the port that was bound. Raises ServeError if the address cannot be had."""
        self._host = host
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ServeError(
                f"cannot listen on {host}:{port} for admin: {error.strerror or error}; choose another with --admin"
            ) from error
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close the listener."""
        await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        reason = self._not_ready()
        return web.Response(text="ok\n") if reason is None else web.Response(status=503, text=f"{reason}\n")

    async def _show_metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
