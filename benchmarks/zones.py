"""Three zones as real processes: how many calls leave their zone, how long calls take, and what is lost when a zone is killed.

On loopback no zone is further away than another: what a crossing costs in a cloud is not in the latencies.
"""

import asyncio
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from .bench_fleet import BenchFleet, fleet_of, node_of
from .client_process import Process, ask, client, connected, direct

ZONES = ("a", "b", "c")
PODS_PER_ZONE, WORKERS, CLIENTS_PER_ZONE = 2, 4, 2
REQUESTS_PER_S, UTILISATION = 240.0, 0.6
DEMAND_S = UTILISATION * len(ZONES) * PODS_PER_ZONE * WORKERS / REQUESTS_PER_S
ROUNDS, DURATION_S = 3, 6.0
CENSUS_WARM_UP_S = 15.0
"""Time for all clients to connect: of so few, one that comes later is within the census' hysteresis, and not counted."""
PREFER, OFF, ROUND_ROBIN = "trimtab", "trimtab, zone: off", "grpcio round_robin"
CONTENDERS = (PREFER, OFF, ROUND_ROBIN)


@dataclass(frozen=True, slots=True)
class Call:
    """One call as its client saw it. Times are those of the machine's monotonic clock."""

    started_at: float
    took_s: float
    zone: str
    """Who answered; empty: nobody."""


async def run(console: Console) -> None:
    """Every contender in turn, with the same arrivals; then zone a is killed."""
    with ExitStack() as stack:
        zones = [zone for zone in ZONES for _ in range(PODS_PER_ZONE)]
        pod = [sys.executable, "-m", "benchmarks.slow_pod_pod", str(WORKERS), str(DEMAND_S)]
        commands = [[*pod, zone] for zone in zones]
        fleet = stack.enter_context(fleet_of(commands, zones, ["--census-warm-up", str(CENSUS_WARM_UP_S)]))
        warm_at = time.monotonic() + CENSUS_WARM_UP_S + 1.0
        clients = [
            (zone, stack.enter_context(_client(zone, f"{zone}{index}", fleet)))
            for zone in ZONES
            for index in range(CLIENTS_PER_ZONE)
        ]
        await connected([process for _, process in clients])
        await asyncio.sleep(max(0.0, warm_at - time.monotonic()))
        runs: dict[str, list[Sequence[tuple[str, Call]]]] = {name: [] for name in CONTENDERS}
        for number in range(ROUNDS):
            for name in CONTENDERS if number % 2 else reversed(CONTENDERS):
                runs[name].append(await _measure(clients, name, number))
        _print(console, runs)
        measuring = asyncio.create_task(_measure(clients, PREFER, ROUNDS))
        await asyncio.sleep(DURATION_S / 2)
        killed_at = time.monotonic()
        for process, zone in zip(fleet.processes, zones, strict=True):
            if zone == ZONES[0]:
                process.kill()
        _print_loss(console, await measuring, killed_at)


async def _measure(clients: Sequence[tuple[str, Process]], contender: str, seed: int) -> Sequence[tuple[str, Call]]:
    """All calls, each with the zone of its client."""

    answers = await ask([process for _, process in clients], contender, seed)
    return [(zone, Call(*call)) for (zone, _), calls in zip(clients, answers, strict=True) for call in calls]


def _print(console: Console, runs: dict[str, list[Sequence[tuple[str, Call]]]]) -> None:
    title = (
        f"{len(ZONES)} zones with {PODS_PER_ZONE} pods and {CLIENTS_PER_ZONE} clients each, "
        f"utilisation {UTILISATION} ({ROUNDS} rounds)"
    )
    table = Table(title=title, title_justify="left")
    for column in ("balanced by", "calls that leave their zone", "mean, ms", "p99, ms: median", "least – most"):
        table.add_column(column, justify="left" if column == "balanced by" else "right")
    for name, rounds in runs.items():
        calls = [item for played in rounds for item in played]
        p99_ms = [_p99_ms([call.took_s for _, call in played]) for played in rounds]
        table.add_row(
            name,
            f"{statistics.fmean(call.zone != zone for zone, call in calls):.1%}",
            f"{statistics.fmean(call.took_s for _, call in calls) * 1e3:.0f}",
            f"{statistics.median(p99_ms):.0f}",
            f"{min(p99_ms):.0f} – {max(p99_ms):.0f}",
        )
    console.print(table)


def _p99_ms(latencies_s: list[float]) -> float:
    return sorted(latencies_s)[int(len(latencies_s) * 0.99)] * 1e3


def _print_loss(console: Console, calls: Sequence[tuple[str, Call]], killed_at: float) -> None:
    lost = [call for _, call in calls if not call.zone]
    late = [call.started_at - killed_at for call in lost if call.started_at > killed_at]
    after = Counter(call.zone for zone, call in calls if call.started_at > killed_at and zone == ZONES[0])
    console.print(f"Zone {ZONES[0]} killed under {len(calls)} calls: {len(lost)} lost, {len(lost) - len(late)} of them")
    console.print(
        f"started before the kill, {len(late)} up to {max(late, default=0.0) * 1e3:.1f} ms after it. "
        f"Its clients were answered from then on by {', '.join(f'{z} {n}' for z, n in sorted(after.items()) if z)}."
    )


def _client(zone: str, name: str, fleet: BenchFleet) -> AbstractContextManager[Process]:
    settings = {
        "targets": {PREFER: fleet.control_plane, OFF: fleet.control_plane, ROUND_ROBIN: direct(fleet)},
        "rate": REQUESTS_PER_S / len(ZONES) / CLIENTS_PER_ZONE,
        "duration_s": DURATION_S,
        "name": name,
    }
    return client("zones_client", settings, {**os.environ, "NODE_NAME": node_of(zone)})
