"""A real Envoy, started as its users start it."""

import asyncio
import contextlib
import os
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.process import PATIENCE_S, ROOT, started

ENVOY = Path(os.environ.get("TRIMTAB_TEST_ENVOY") or ROOT / ".venv-envoy" / "bin" / "envoy")

needs_envoy = pytest.mark.skipif(not ENVOY.exists(), reason=f"there is no {ENVOY}; `make test` installs it")


class Envoy:
    """What its admin interface says."""

    def __init__(self, process: Process, admin: str, http: aiohttp.ClientSession) -> None:
        self.process = process
        self.admin = admin
        self.http = http

    async def ask(self, path: str) -> Any:
        """JSON from the admin interface."""
        async with self.http.get(f"http://{self.admin}{path}") as response:
            assert response.status == 200, path
            return await response.json(content_type=None)

    async def listener(self, name: str = "services") -> str:
        """Where a listener listens."""
        for status in (await self.ask("/listeners?format=json"))["listener_statuses"]:
            if status["name"] == name:
                address = status["local_address"]["socket_address"]
                return f"{address['address']}:{address['port_value']}"
        raise AssertionError(f"there is no listener {name}")

    async def stats(self, pattern: str) -> dict[str, int]:
        """Counters and gauges whose names match."""
        found = (await self.ask(f"/stats?format=json&filter={pattern}"))["stats"]
        return {stat["name"]: stat["value"] for stat in found if "name" in stat}

    async def cluster(self, name: str) -> dict[str, Any]:
        """A cluster as the control plane gave it."""
        dump = await self.ask("/config_dump?resource=dynamic_active_clusters")
        found: list[dict[str, Any]] = [entry["cluster"] for entry in dump.get("configs", ())]
        return next(cluster for cluster in found if cluster["name"] == name)

    async def hosts(self, cluster: str) -> dict[str, dict[str, Any]]:
        """The endpoints of a cluster by address."""
        for status in (await self.ask("/clusters?format=json"))["cluster_statuses"]:
            if status["name"] == cluster:
                return {_authority(host["address"]): host for host in status.get("host_statuses", ())}
        return {}

    async def until_hosts(self, cluster: str, *addresses: str) -> None:
        """Return once exactly these are the cluster's endpoints."""
        async with asyncio.timeout(PATIENCE_S):
            while set(await self.hosts(cluster)) != set(addresses):
                await asyncio.sleep(0.02)

    async def get(
        self, host: str, path: str = "/", listener: str = "services", headers: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Status and text of an HTTP/1.1 request through a listener."""
        url = f"http://{await self.listener(listener)}{path}"
        async with self.http.get(url, headers={"host": host, **(headers or {})}) as response:
            return response.status, await response.text()


def _authority(address: dict[str, Any]) -> str:
    socket_address = address["socket_address"]
    return f"{socket_address['address']}:{socket_address['port_value']}"


@contextlib.asynccontextmanager
async def envoy(folder: Path, bootstrap: str, *more: str) -> AsyncIterator[Envoy]:
    """An Envoy with this bootstrap, once it is ready. Its admin interface and listeners may be on port 0."""
    config, admin, log = folder / "bootstrap.json", folder / "admin", folder / "envoy.log"
    config.write_text(bootstrap)
    admin.unlink(missing_ok=True)
    command = [
        *(str(ENVOY), "--config-path", str(config), "--admin-address-path", str(admin), *more),
        *("--concurrency", "1", "--use-dynamic-base-id", "--drain-time-s", "1", "--log-level", "warning"),
    ]
    with log.open("wb") as stderr:
        async with started(*command, stderr=stderr.fileno()) as process, aiohttp.ClientSession() as http:
            await _ready(process, admin, http, log)
            yield Envoy(process, admin.read_text(), http)


async def _ready(process: Process, admin: Path, http: aiohttp.ClientSession, log: Path) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while process.returncode is None:
            # Written before it is complete; a whole one has a port.
            if admin.exists() and ":" in (address := admin.read_text()):
                with contextlib.suppress(aiohttp.ClientError):
                    async with http.get(f"http://{address}/ready") as response:
                        if response.status == 200:
                            return
            await asyncio.sleep(0.02)
    raise AssertionError(f"Envoy ended with exit code {process.returncode}: {log.read_text()}")
