"""Is the engine right? Fleets that queueing theory or others have numbers for.

M/M/1 queues with mean service time 1 and Poisson arrivals. For infinitely many servers the supermarket model gives closed
forms (Mitzenmacher 2001); for finite fleets, and for clients that each know only their own calls, the numbers are those
of long simulations by other code. The tables are in docs/simulator.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ..balance import strategies
from ..model import Policy, Subset
from .chooser import Contender
from .contenders import contender
from .contenders.trimtab import trimtab
from .request_kind import RequestKind, ServiceTime
from .scenario import ClientGroup, PodGroup, Scenario
from .simulation import Progress, simulate
from .statistics import Columns, Floats, Interval, Statistic, batch_means

# Short, because balancers look after themselves every second: of a mean service time of a second that would be most of the work.
_UNIT_S: Final = 0.001
_UNIT = RequestKind(service_time=ServiceTime(distribution="exponential", mean_ms=_UNIT_S * 1000))


@dataclass(frozen=True, slots=True)
class Cell:
    """One fleet, and what it should show. Times in mean service times."""

    contender: str
    servers: int
    utilisation: float
    clients: int
    mean: float
    p99: float
    requests: int
    """As many as make the 95 % interval clearly narrower than 2 %."""

    def __str__(self) -> str:
        return f"{self.contender} n={self.servers} m={self.clients} at {self.utilisation:g}"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run of a cell showed."""

    mean: Interval
    p99: Interval


ONE_CLIENT: Final = (
    Cell("p2c", 100, 0.90, 1, 2.654, 8.95, 1_000_000),
    Cell("p2c", 100, 0.95, 1, 3.487, 10.56, 1_800_000),
)
"""Power of two choices with all knowledge, nearly the supermarket model."""

LOCAL_KNOWLEDGE: Final = (
    Cell("p2c", 10, 0.8, 1, 2.08, 7.96, 700_000),
    Cell("p2c", 10, 0.8, 4, 2.61, 9.75, 700_000),
    Cell("p2c", 10, 0.8, 8, 2.97, 11.0, 700_000),
    Cell("p2c", 10, 0.8, 16, 3.39, 12.8, 700_000),
    Cell("p2c", 10, 0.8, 32, 3.82, 14.7, 800_000),
    Cell("p2c", 10, 0.8, 64, 4.20, 17.1, 1_000_000),
    Cell("p2c", 100, 0.8, 10, 3.05, 11.3, 600_000),
    Cell("p2c", 100, 0.8, 100, 4.39, 18.2, 1_000_000),
)
"""The same load from ever more clients, each of which knows only its own calls: what every library really does."""

SLOW: Final = (
    Cell("p2c", 100, 0.8, 1, 1.97, 7.4, 1_000_000),
    Cell("p2c", 100, 0.8, 1000, 4.95, 22.7, 4_000_000),
    Cell("p2c", 10, 0.9, 1, 2.99, 10.5, 2_000_000),
    Cell("p2c", 10, 0.95, 1, 4.41, 15.1, 4_000_000),
    Cell("envoy-least-request", 10, 0.9, 1, 3.13, 10.9, 2_000_000),
    Cell("envoy-least-request", 10, 0.95, 1, 4.61, 15.5, 4_000_000),
    Cell("envoy-least-request", 100, 0.9, 1, 2.668, 8.98, 2_000_000),
    Cell("shortest-queue", 10, 0.9, 1, 1.92, 7.95, 1_500_000),
    Cell("shortest-queue", 100, 0.9, 1, 1.064, 4.88, 500_000),
    Cell("round_robin", 10, 0.9, 1, 5.70, 25.7, 4_000_000),
    Cell("round_robin", 100, 0.9, 1, 5.29, 24.4, 6_000_000),
    Cell("random", 100, 0.8, 1, 5.0, 23.03, 4_000_000),
)
"""Cells that take too long for a test suite."""

CELLS: Final[Sequence[Cell]] = (*ONE_CLIENT, *LOCAL_KNOWLEDGE, *SLOW)


def fleet(cell: Cell) -> Scenario:
    """The scenario of a cell."""
    requests_per_s = cell.servers * cell.utilisation / _UNIT_S
    duration_s = cell.requests / requests_per_s
    return Scenario(
        title=str(cell),
        duration_s=duration_s,
        warm_up_s=duration_s / 20,
        pods=(PodGroup(name="server", count=cell.servers),),
        clients=(ClientGroup(count=cell.clients, requests_per_s=requests_per_s),),
        requests=(_UNIT,),
    )


def measure(cell: Cell, seed: int = 1, progress: Progress | None = None) -> Estimate:
    """Run a cell."""
    run = simulate(fleet(cell), _equipment(cell.contender), seed, progress)
    latency = Columns.of(run.ledger, run.warm_up_s).latency_s / _UNIT_S
    return Estimate(_estimate(latency, _mean), _estimate(latency, _p99))


def _equipment(name: str) -> Contender:
    """The tables are about clients that use the whole fleet, however many they are."""
    return trimtab(Policy(strategy=name, subset=Subset(mode="off"))) if name in strategies() else contender(name)


def _estimate(values: Floats, statistic: Statistic) -> Interval:
    return Interval(statistic(values), batch_means(values, statistic).half_width)


def _mean(values: Floats) -> float:
    return float(np.mean(values))


def _p99(values: Floats) -> float:
    return float(np.percentile(values, 99))
