"""From a change to every stream that follows it: how long, and for how much CPU of the server."""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from rich.console import Console
from rich.table import Table

from trimtab.xds.discovery import ClientNode, DiscoveryRequest, DiscoveryResponse
from trimtab.xds.resource_type import ADS_SERVICE, ENDPOINTS, STREAM_AGGREGATED_RESOURCES

from .push_server import name

STREAMS = 1_000
ROUNDS = 15
CONTENDERS = {
    "bare grpc.aio": ("bare", 1),
    "the same again": ("bare", 1),
    "the same, no BDP probes": ("bare-unprobed", 1),
    "trimtab, 10 services": ("trimtab", 10),
    "trimtab, 1,000 services": ("trimtab", 1_000),
}


class Server:
    """A push server in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        assert process.stdout is not None
        self.port = int(process.stdout.readline())

    def poke(self) -> tuple[float, float]:
        """Every other call changes an endpoint. When that was, and the CPU seconds used before."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        at, cpu_s = map(float, self._process.stdout.readline().split())
        return at, cpu_s


@contextmanager
def push_server(kind: str, services: int) -> Iterator[Server]:
    """A server process; it ends with its stdin."""
    command = [sys.executable, "-m", "benchmarks.push_server", kind, str(services)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Server(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


@dataclass
class Crowd:
    """Many streams that follow one service and ACK what they get."""

    received_at: list[float] = field(default_factory=list)
    channels: list[grpc.aio.Channel] = field(default_factory=list)
    tasks: "list[asyncio.Task[None]]" = field(default_factory=list)

    async def connect(self, port: int, connections: int) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) for _ in range(connections)]
        for index in range(STREAMS):
            self.tasks.append(asyncio.create_task(self._follow(self.channels[index % connections])))
        await self.until_all()

    async def _follow(self, channel: grpc.aio.Channel) -> None:
        call: Any = channel.stream_stream(f"/{ADS_SERVICE}/{STREAM_AGGREGATED_RESOURCES}")()
        await call.write(DiscoveryRequest(ENDPOINTS, (name(0),), node=ClientNode(id="bench")).serialize())
        while isinstance(data := await call.read(), bytes):
            self.received_at.append(time.monotonic())
            response = DiscoveryResponse.parse(data)
            ack = DiscoveryRequest(ENDPOINTS, (name(0),), version=response.version, nonce=response.nonce)
            await call.write(ack.serialize())

    async def until_all(self) -> None:
        async with asyncio.timeout(60):
            while len(self.received_at) < STREAMS:  # noqa: ASYNC110 - the streams are the event
                await asyncio.sleep(0.005)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.gather(*(channel.close() for channel in self.channels))


@dataclass
class Measured:
    """Per round: seconds to the median and to the 99th percentile stream, and the server's CPU seconds."""

    p50_s: list[float] = field(default_factory=list)
    p99_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)


async def run(console: Console) -> None:
    """Fan-out to 1,000 streams, over 20 connections and over 1,000."""
    for connections in (20, STREAMS):
        with ExitStack() as stack:
            crowds = {}
            for contender, arguments in CONTENDERS.items():
                server, crowd = stack.enter_context(push_server(*arguments)), Crowd()
                await crowd.connect(server.port, connections)
                crowds[contender] = (server, crowd, Measured())
            order = list(crowds.values())
            for _ in range(ROUNDS):
                # Who comes first in a round finds the machine in another state than who comes last.
                order.append(order.pop(0))
                for server, crowd, measured in order:
                    await _push(server, crowd, measured)
            for _, crowd, _ in crowds.values():
                await crowd.close()
        _print(console, connections, {contender: measured for contender, (_, _, measured) in crowds.items()})


async def _push(server: Server, crowd: Crowd, measured: Measured) -> None:
    await asyncio.sleep(0.1)
    crowd.received_at.clear()
    changed_at, cpu_before_s = await asyncio.to_thread(server.poke)
    await crowd.until_all()
    # What the server still does with the last ACKs is part of the price.
    await asyncio.sleep(0.1)
    _, cpu_after_s = await asyncio.to_thread(server.poke)
    delays = sorted(at - changed_at for at in crowd.received_at)
    measured.p50_s.append(delays[len(delays) // 2])
    measured.p99_s.append(delays[int(len(delays) * 0.99)])
    measured.cpu_s.append(cpu_after_s - cpu_before_s)


def _print(console: Console, connections: int, results: dict[str, Measured]) -> None:
    table = Table(
        title=f"One change to {STREAMS} streams on {connections} connections ({ROUNDS} interleaved rounds, medians)",
        title_justify="left",
        min_width=100,
    )
    for column in ("server", "p50, ms", "p99, ms", "CPU, s per 1000 pushes", "p99 ratio", "CPU ratio"):
        table.add_column(column, justify="left" if column == "server" else "right")
    base = results["bare grpc.aio"]
    for contender, measured in results.items():
        table.add_row(
            contender,
            f"{statistics.median(measured.p50_s) * 1e3:.1f}",
            f"{statistics.median(measured.p99_s) * 1e3:.1f}",
            f"{statistics.median(measured.cpu_s) * 1e3 / STREAMS:.4f}",
            f"{_ratio(measured.p99_s, base.p99_s):.2f}",
            f"{_ratio(measured.cpu_s, base.cpu_s):.2f}",
        )
    console.print(table)


def _ratio(values: list[float], base: list[float]) -> float:
    return statistics.median(value / other for value, other in zip(values, base, strict=True))
