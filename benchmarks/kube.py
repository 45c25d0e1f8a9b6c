"""A cluster of 1,000 services and 100,000 endpoints: the first load, one change, and how soon 1,000 streams know of it."""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from rich.console import Console
from rich.table import Table

from trimtab.xds.discovery import ClientNode, DiscoveryRequest, DiscoveryResponse
from trimtab.xds.resource_type import ADS_SERVICE, ENDPOINTS, STREAM_AGGREGATED_RESOURCES

from .push import STREAMS, Crowd

SERVICES = 1_000
CONNECTIONS = 20
CHANGES = 100
ROUNDS = 15
_FOLLOWED = "s0.bench:8080"


class Process:
    """A process that answers each line with a line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def hear(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def ask(self, line: str = "") -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self.hear()


@contextmanager
def running(module: str, argument: str) -> Iterator[Process]:
    """A process; it ends with its stdin."""
    command = [sys.executable, "-m", f"benchmarks.{module}", argument]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Process(process)
        assert process.stdin is not None
        process.stdin.close()
        process.terminate()


class Followers(Crowd):
    """Streams that follow one service of the cluster."""

    async def _follow(self, channel: grpc.aio.Channel) -> None:
        call: Any = channel.stream_stream(f"/{ADS_SERVICE}/{STREAM_AGGREGATED_RESOURCES}")()
        await call.write(DiscoveryRequest(ENDPOINTS, (_FOLLOWED,), node=ClientNode(id="bench")).serialize())
        while isinstance(data := await call.read(), bytes):
            self.received_at.append(asyncio.get_running_loop().time())
            response = DiscoveryResponse.parse(data)
            ack = DiscoveryRequest(ENDPOINTS, (_FOLLOWED,), version=response.version, nonce=response.nonce)
            await call.write(ack.serialize())


@dataclass
class Measured:
    """Seconds from the write of a slice to the median, the 99th percentile and the last of all streams, per round."""

    p50_s: list[float] = field(default_factory=list)
    p99_s: list[float] = field(default_factory=list)
    last_s: list[float] = field(default_factory=list)


async def run(console: Console) -> None:
    """Start a pretended API server, load it, change it."""
    with ExitStack() as stack:
        api = stack.enter_context(running("kube_api", str(SERVICES)))
        url = await asyncio.to_thread(api.hear)
        sync = stack.enter_context(running("kube_sync", url))
        loaded = await asyncio.to_thread(sync.hear)
        change_cpu_s = await asyncio.to_thread(_change, api, sync)
        crowd, measured = Followers(), Measured()
        await crowd.connect(loaded["port"], CONNECTIONS)
        for _ in range(ROUNDS):
            await _write_one(api, crowd, measured)
        await crowd.close()
    _print(console, loaded, change_cpu_s, measured)


def _change(api: Process, sync: Process) -> float:
    """Change one endpoint of a service that nobody follows, many times; what each costs the control plane."""
    before = sync.ask()
    for number in range(CHANGES):
        api.ask(str(number + 1))
    while (after := sync.ask())["changes"] < before["changes"] + CHANGES:
        # An answer costs it something too.
        time.sleep(0.1)
    return float(after["cpu_s"] - before["cpu_s"]) / CHANGES


async def _write_one(api: Process, crowd: Crowd, measured: Measured) -> None:
    await asyncio.sleep(0.2)
    crowd.received_at.clear()
    written_at = await asyncio.to_thread(api.ask, "0")
    await crowd.until_all()
    delays = sorted(at - written_at for at in crowd.received_at)
    measured.p50_s.append(delays[len(delays) // 2])
    measured.p99_s.append(delays[int(len(delays) * 0.99)])
    measured.last_s.append(delays[-1])


def _print(console: Console, loaded: dict[str, float], change_cpu_s: float, measured: Measured) -> None:
    title = f"{SERVICES} services, {loaded['endpoints']:.0f} endpoints, {STREAMS} streams"
    table = Table(title=title, title_justify="left")
    for column in ("what", "measured"):
        table.add_column(column, justify="right" if column == "measured" else "left")
    rows = {
        "first load, list to encoded resources: CPU": f"{loaded['cpu_s']:.2f} s",
        "the same on the wall, API server on the same machine": f"{loaded['seconds']:.2f} s",
        "peak memory of the process": f"{loaded['peak_mb']:.0f} MB",
        "longest turn of the event loop while loading: CPU": f"{loaded['blocked_cpu_s'] * 1e3:.1f} ms",
        "the same on the wall, with whatever else runs": f"{loaded['blocked_wall_s'] * 1e3:.1f} ms",
        "one slice of 100 endpoints changes, to encoded: CPU": f"{change_cpu_s * 1e3:.2f} ms",
        "slice written → streams: p50": f"{statistics.median(measured.p50_s) * 1e3:.1f} ms",
        "slice written → streams: p99": f"{statistics.median(measured.p99_s) * 1e3:.1f} ms",
        "slice written → last stream": f"{statistics.median(measured.last_s) * 1e3:.1f} ms",
    }
    for what, figure in rows.items():
        table.add_row(what, figure)
    console.print(table)
