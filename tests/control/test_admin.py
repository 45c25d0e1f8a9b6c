"""The admin server over HTTP."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from trimtab.control.admin import AdminServer
from trimtab.control.metrics import Metrics
from trimtab.errors import ServeError


@dataclass
class Admin:
    """A running admin server."""

    url: str = ""
    port: int = 0
    not_ready: str | None = "the first load is not complete"

    async def get(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            return response.status, await response.text()


@pytest.fixture
async def admin() -> AsyncIterator[Admin]:
    running = Admin()
    server = AdminServer(Metrics(), lambda: running.not_ready)
    running.port = await server.start("127.0.0.1", 0)
    running.url = f"http://127.0.0.1:{running.port}"
    yield running
    await server.stop()


async def test_it_is_ready_once_nothing_stands_in_the_way_and_says_what_does(admin: Admin) -> None:
    assert await admin.get("/readyz") == (503, "the first load is not complete\n")
    admin.not_ready = None
    assert await admin.get("/readyz") == (200, "ok\n")


async def test_it_is_alive_before_it_is_ready(admin: Admin) -> None:
    assert await admin.get("/healthz") == (200, "ok\n")


async def test_metrics_are_in_prometheus_text(admin: Admin) -> None:
    status, text = await admin.get("/metrics")
    assert status == 200
    assert "# TYPE trimtab_xds_streams gauge\n" in text


async def test_a_taken_port_is_a_clear_error(admin: Admin) -> None:
    second = AdminServer(Metrics(), lambda: None)
    with pytest.raises(ServeError, match=f"cannot listen on 127.0.0.1:{admin.port} for admin: .* with --admin"):
        await second.start("127.0.0.1", admin.port)
