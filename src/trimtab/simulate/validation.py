"""Is the engine right? Fleets that queueing theory or others have numbers for.

M/M/1 queues with mean service time 1 and Poisson arrivals. Where there is no formula (theory.py), there are two other programs: whoever
published a table simulated some million requests, and tests/simulate/plain_queues.py a hundred times as many. The tables are in
docs/simulator.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..balance import strategies
from ..model import Policy, Subset
from .chooser import Contender
from .contenders import contender
from .contenders.rules import EnvoyLeastRequest
from .contenders.trimtab import trimtab
from .control_variates import Estimates, Requests, estimate
from .request_kind import RequestKind, ServiceTime
from .scenario import ClientGroup, PodGroup, Scenario
from .simulation import Progress, simulate
from .statistics import Columns
from .theory import Latency, round_robin, single_queue, supermarket

# Short, because balancers look after themselves every second: of a mean service time of a second that would be most of the work.
_UNIT_S: Final = 0.001
_UNIT = RequestKind(service_time=ServiceTime(distribution="exponential", mean_ms=_UNIT_S * 1000))
_EVEN_OUT: Final = 20.0
"""From empty servers on, times 1 / (1 - utilisation)."""
TOLERANCE: Final = 0.02
"""How far off what is simulated may be."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One fleet, and what it should show. Times in mean service times."""

    contender: str
    servers: int
    utilisation: float
    clients: int
    requests: int
    """As many as make the 95 % interval clearly narrower than 2 %."""
    expected: Latency
    """By theory, or as plain_queues.py says."""
    published: Latency | None = None
    """From the simulation of somebody else."""
    choices: int = 2
    """How many are drawn, where Envoy's clients choose."""
    theory: bool = False
    """Whether `expected` comes from a formula."""

    def __str__(self) -> str:
        drawn = f" of {self.choices}" if self.choices != 2 else ""
        return f"{self.contender}{drawn} n={self.servers} m={self.clients} at {self.utilisation:g}"


def _limit(servers: int, utilisation: float, choices: int, requests: int) -> Cell:
    """As good as infinitely many servers."""
    name = "p2c" if choices == 2 else "envoy-least-request"
    theory = supermarket(utilisation, choices)
    return Cell(name, servers, utilisation, 1, requests, theory, choices=choices, theory=True)


def _in_turn(servers: int, utilisation: float, requests: int, published: Latency) -> Cell:
    return Cell(
        "round_robin", servers, utilisation, 1, requests, round_robin(utilisation, servers), published, theory=True
    )


SUPERMARKET: Final = (
    _limit(200, 0.5, 2, 100_000),
    _limit(200, 0.7, 2, 150_000),
    _limit(200, 0.8, 2, 250_000),
    _limit(300, 0.9, 2, 400_000),
    _limit(300, 0.95, 2, 600_000),
    _limit(300, 0.9, 3, 300_000),
    _limit(300, 0.9, 5, 300_000),
    Cell("random", 100, 0.5, 1, 200_000, single_queue(0.5), theory=True),
)
"""Power of two choices with all knowledge, and so many servers that one more changes nothing."""

ONE_CLIENT: Final = (
    Cell("p2c", 10, 0.9, 1, 400_000, Latency(2.977, 10.42), Latency(2.99, 10.5)),
    Cell("p2c", 10, 0.95, 1, 1_200_000, Latency(4.349, 14.73), Latency(4.41, 15.1)),
    Cell("p2c", 100, 0.9, 1, 300_000, Latency(2.648, 8.917), Latency(2.654, 8.95)),
    Cell("p2c", 100, 0.95, 1, 600_000, Latency(3.466, 10.50), Latency(3.487, 10.56)),
    Cell("envoy-least-request", 10, 0.9, 1, 400_000, Latency(3.109, 10.81), Latency(3.13, 10.9)),
    Cell("envoy-least-request", 10, 0.95, 1, 1_200_000, Latency(4.524, 15.11), Latency(4.61, 15.5)),
    Cell("envoy-least-request", 100, 0.9, 1, 300_000, Latency(2.661, 8.957), Latency(2.668, 8.98)),
    Cell("envoy-least-request", 100, 0.95, 1, 500_000, Latency(3.481, 10.55), Latency(3.511, 10.60)),
    Cell("shortest-queue", 10, 0.9, 1, 400_000, Latency(1.915, 7.927), Latency(1.92, 7.95)),
    Cell("shortest-queue", 10, 0.95, 1, 500_000, Latency(2.955, 12.17), Latency(2.94, 12.2)),
    Cell("shortest-queue", 100, 0.9, 1, 100_000, Latency(1.067, 4.888), Latency(1.064, 4.88)),
    Cell("shortest-queue", 100, 0.95, 1, 150_000, Latency(1.222, 5.401), Latency(1.221, 5.41)),
    _in_turn(10, 0.9, 150_000, Latency(5.70, 25.7)),
    _in_turn(10, 0.95, 300_000, Latency(11.5, 53.5)),
    _in_turn(100, 0.9, 200_000, Latency(5.29, 24.4)),
    _in_turn(100, 0.95, 200_000, Latency(10.5, 50.0)),
)
"""One client, which knows of every call, and fleets of a size that there is."""

LOCAL_KNOWLEDGE: Final = (
    Cell("p2c", 10, 0.8, 1, 200_000, Latency(2.073, 7.949), Latency(2.08, 7.96)),
    Cell("p2c", 10, 0.8, 4, 300_000, Latency(2.596, 9.713), Latency(2.61, 9.75)),
    Cell("p2c", 10, 0.8, 8, 300_000, Latency(2.962, 11.04), Latency(2.97, 11.0)),
    Cell("p2c", 10, 0.8, 16, 350_000, Latency(3.376, 12.74), Latency(3.39, 12.8)),
    Cell("p2c", 10, 0.8, 32, 350_000, Latency(3.796, 14.74), Latency(3.82, 14.7)),
    Cell("p2c", 10, 0.8, 64, 450_000, Latency(4.175, 16.86), Latency(4.20, 17.1)),
    Cell("random", 10, 0.8, 1, 2_700_000, single_queue(0.8), Latency(5.02, 22.7), theory=True),
    Cell("p2c", 100, 0.8, 1, 200_000, Latency(1.959, 7.422), Latency(1.97, 7.4)),
    Cell("p2c", 100, 0.8, 10, 350_000, Latency(3.043, 11.30), Latency(3.05, 11.3)),
    Cell("p2c", 100, 0.8, 100, 600_000, Latency(4.372, 18.10), Latency(4.39, 18.2)),
    Cell("p2c", 100, 0.8, 1000, 1_300_000, Latency(4.914, 22.18), Latency(4.95, 22.7)),
)
"""The same load from ever more clients, each of which knows only its own calls: what every library really does."""

CELLS: Final[Sequence[Cell]] = (*SUPERMARKET, *ONE_CLIENT, *LOCAL_KNOWLEDGE)


def fleet(servers: int, utilisation: float, clients: int, requests: int) -> Scenario:
    """A fleet of the validation, and so many requests."""
    requests_per_s = servers * utilisation / _UNIT_S
    duration_s = requests / requests_per_s
    return Scenario(
        title=f"{servers} servers, {clients} clients, {utilisation:g}",
        duration_s=duration_s,
        warm_up_s=max(duration_s / 20, _EVEN_OUT / (1 - utilisation) * _UNIT_S),
        pods=(PodGroup(name="server", count=servers),),
        clients=(ClientGroup(count=clients, requests_per_s=requests_per_s),),
        requests=(_UNIT,),
    )


def measure(cell: Cell, seed: int = 1, progress: Progress | None = None) -> Estimates:
    """Run a cell."""
    played = fleet(cell.servers, cell.utilisation, cell.clients, cell.requests)
    run = simulate(played, _equipment(cell), seed, progress)
    requests = Requests.of(Columns.of(run.ledger), _UNIT_S)
    in_turn = cell.contender == "round_robin" and cell.clients == 1
    return estimate(requests, cell.servers, cell.utilisation, run.warm_up_s / _UNIT_S, cell.expected.p99, in_turn)


def _equipment(cell: Cell) -> Contender:
    """The tables are about clients that use the whole fleet, however many they are."""
    if cell.contender in strategies():
        return trimtab(Policy(strategy=cell.contender, subset=Subset(mode="off"), max_connections=cell.servers))
    if cell.choices == 2:
        return contender(cell.contender)

    class Drawing(EnvoyLeastRequest):
        choice_count = cell.choices

    return Drawing
