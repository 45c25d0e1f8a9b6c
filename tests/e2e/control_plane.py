"""`trimtab serve` as a process of its own, which may be restarted."""

import asyncio
import contextlib
import json
import re
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.cli.serving import command
from tests.e2e.process import PATIENCE_S, end, output_of, started
from tests.ports import HeldPort


class ControlPlane:
    """Serves a folder of manifests, at the same place after every restart."""

    def __init__(self, manifests: Path, *more: str) -> None:
        """`more` are further arguments of `trimtab serve`."""
        self._manifests = manifests
        self.more = more
        self._stack = contextlib.AsyncExitStack()
        self._process: Process | None = None
        self._held = HeldPort()
        self.xds = self._held.address
        self.admin = ""

    async def start(self) -> None:
        """Returns when it serves."""
        arguments = command(self._manifests, *self.more, listen=self.xds)
        self._process = await self._stack.enter_async_context(started(*arguments))
        serving = await self._event("serving")
        self.admin = serving["admin"]
        self._stack.push_async_callback(self._read_the_rest())

    async def stop(self) -> None:
        """As Kubernetes would: SIGTERM, and it drains."""
        assert self._process is not None
        assert await end(self._process) == 0
        await self._stack.aclose()

    async def kill(self) -> None:
        """As a Node that dies would."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
        await self._stack.aclose()

    async def close(self) -> None:
        await self._stack.aclose()
        self._held.release()

    async def bootstrap(self, kind: str, *arguments: str, **env: str) -> str:
        """What `trimtab bootstrap KIND` prints for clients of this control plane."""
        return await output_of("bootstrap", kind, "--server", self.xds, *arguments, env=env)

    async def metric(self, pattern: str) -> float:
        """The sum of the metrics that match."""
        async with aiohttp.ClientSession() as session, session.get(f"http://{self.admin}/metrics") as response:
            text = await response.text()
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(pattern, line))

    async def rejects(self) -> float:
        """How many responses clients refused."""
        return await self.metric(r"trimtab_xds_rejects_total\b")

    async def _event(self, name: str) -> dict[str, Any]:
        assert self._process is not None and self._process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            async for line in self._process.stderr:
                entry: dict[str, Any] = json.loads(line)
                if entry["event"] == name:
                    return entry
        raise AssertionError(f"the log ended without {name!r}")

    def _read_the_rest(self) -> Any:
        assert self._process is not None and self._process.stderr is not None
        reading = asyncio.create_task(self._process.stderr.read())

        async def stop() -> None:
            reading.cancel()
            await asyncio.wait([reading])

        return stop


@contextlib.asynccontextmanager
async def control_plane(manifests: Path, *more: str) -> AsyncIterator[ControlPlane]:
    """A control plane that serves `manifests`."""
    running = ControlPlane(manifests, *more)
    try:
        await running.start()
        yield running
    finally:
        await running.close()
