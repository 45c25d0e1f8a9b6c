"""Is the engine right? Fleets that queueing theory or others have numbers for.

M/M/1 queues with mean service time 1 and Poisson arrivals. Where there is no formula (theory.py), there are two other programs: whoever
published a table simulated some million requests, and tests/simulate/plain_queues.py many times as many and wrote plain_queues.csv. The tables are in docs/simulator.md.
"""

import csv
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from itertools import count
from typing import Final

import numpy as np

from ..balance import Pick, Request, strategies
from ..model import Policy, Seat, Subset
from . import occupancy
from .chooser import Chooser, Contender, Surroundings
from .contenders import contender
from .contenders.rules import EnvoyLeastRequest
from .contenders.trimtab import trimtab
from .control_variates import Estimates, Indices, Requests, estimate
from .request_kind import RequestKind, ServiceTime
from .scenario import ClientGroup, PodGroup, Scenario
from .simulation import Progress, simulate
from .statistics import Columns, Interval
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
    """As many as make the standard error half a percent or so."""
    expected: Latency
    """By theory, or as plain_queues.csv says."""
    published: Latency | None = None
    """From the simulation of somebody else."""
    choices: int = 2
    """How many are drawn, where Envoy's clients choose."""
    part: int = 0
    """How many neighbouring servers each client uses, where it is not all of them."""
    theory: bool = False
    """Whether `expected` comes from a formula."""

    def __str__(self) -> str:
        return name(self.contender, self.servers, self.utilisation, self.clients, self.choices, self.part)


def name(contender: str, servers: int, utilisation: float, clients: int, choices: int = 2, part: int = 0) -> str:
    """What a cell is called."""
    drawn = f" of {choices}" if choices != 2 else ""
    among = f" in {part}" if part else ""
    return f"{contender}{drawn}{among} n={servers} m={clients} at {utilisation:g}"


NAMES: Final = ("mean", "mean_half_width", "p99", "p99_half_width")


@cache
def recorded() -> dict[str, tuple[Interval, Interval]]:
    """Mean and p99 of every fleet in plain_queues.csv, by its name."""
    with files(__package__).joinpath("plain_queues.csv").open(encoding="utf-8") as lines:
        rows = [(row["fleet"], [float(row[column]) for column in NAMES]) for row in csv.DictReader(lines)]
    return {fleet: (Interval(mean, mean_off), Interval(p99, p99_off)) for fleet, (mean, mean_off, p99, p99_off) in rows}


def _limit(servers: int, utilisation: float, choices: int, requests: int) -> Cell:
    """As good as infinitely many servers."""
    contender = "p2c" if choices == 2 else "envoy-least-request"
    theory = supermarket(utilisation, choices)
    return Cell(contender, servers, utilisation, 1, requests, theory, choices=choices, theory=True)


def _in_turn(servers: int, utilisation: float, requests: int, *published: float) -> Cell:
    expected = round_robin(utilisation, servers)
    return Cell("round_robin", servers, utilisation, 1, requests, expected, _published(published), theory=True)


def _program(
    contender: str, servers: int, utilisation: float, clients: int, requests: int, *published: float, part: int = 0
) -> Cell:
    """What no formula says. Not recorded yet, it is not a number."""
    nothing = Interval(float("nan"), float("nan"))
    mean, p99 = recorded().get(name(contender, servers, utilisation, clients, part=part), (nothing, nothing))
    expected = Latency(mean.value, p99.value)
    return Cell(contender, servers, utilisation, clients, requests, expected, _published(published), part=part)


def _published(values: Sequence[float]) -> Latency | None:
    """Of some fleets only the mean was published."""
    return Latency(values[0], values[1] if len(values) > 1 else float("nan")) if values else None


SUPERMARKET: Final = (
    _limit(200, 0.5, 2, 100_000),
    _limit(200, 0.7, 2, 100_000),
    _limit(200, 0.8, 2, 150_000),
    _limit(300, 0.9, 2, 200_000),
    _limit(300, 0.95, 2, 250_000),
    _limit(300, 0.9, 3, 150_000),
    _limit(300, 0.9, 5, 150_000),
    Cell("random", 100, 0.5, 1, 300_000, single_queue(0.5), theory=True),
)
"""Power of two choices with all knowledge, and so many servers that one more changes nothing."""

ONE_CLIENT: Final = (
    _program("p2c", 10, 0.9, 1, 150_000, 2.99, 10.5),
    _program("p2c", 10, 0.95, 1, 250_000, 4.41, 15.1),
    _program("p2c", 100, 0.9, 1, 150_000, 2.654, 8.95),
    _program("p2c", 100, 0.95, 1, 200_000, 3.487, 10.56),
    _program("p2c", 100, 0.99, 1, 600_000, 6.02, 15.3),
    _program("envoy-least-request", 10, 0.9, 1, 150_000, 3.13, 10.9),
    _program("envoy-least-request", 10, 0.95, 1, 250_000, 4.61, 15.5),
    _program("envoy-least-request", 100, 0.9, 1, 150_000, 2.668, 8.98),
    _program("envoy-least-request", 100, 0.95, 1, 200_000, 3.511, 10.60),
    _program("envoy-least-request", 100, 0.99, 1, 600_000, 6.07, 15.4),
    _program("shortest-queue", 10, 0.9, 1, 100_000, 1.92, 7.95),
    _program("shortest-queue", 10, 0.95, 1, 120_000, 2.94, 12.2),
    _program("shortest-queue", 100, 0.9, 1, 60_000, 1.064, 4.88),
    _program("shortest-queue", 100, 0.95, 1, 80_000, 1.221, 5.41),
    _program("shortest-queue", 100, 0.99, 1, 250_000, 2.16, 8.5),
    _in_turn(10, 0.9, 100_000, 5.70, 25.7),
    _in_turn(10, 0.95, 150_000, 11.5, 53.5),
    _in_turn(100, 0.9, 100_000, 5.29, 24.4),
    _in_turn(100, 0.95, 150_000, 10.5, 50.0),
    _in_turn(100, 0.99, 50_000, 53.0, 230.0),
)
"""One client, which knows of every call, and fleets of a size that there is."""

LOCAL_KNOWLEDGE: Final = (
    _program("p2c", 10, 0.8, 1, 150_000, 2.08, 7.96),
    _program("p2c", 10, 0.8, 4, 200_000, 2.61, 9.75),
    _program("p2c", 10, 0.8, 8, 250_000, 2.97, 11.0),
    _program("p2c", 10, 0.8, 16, 300_000, 3.39, 12.8),
    _program("p2c", 10, 0.8, 32, 400_000, 3.82, 14.7),
    _program("p2c", 10, 0.8, 64, 600_000, 4.20, 17.1),
    Cell("random", 10, 0.8, 1, 2_500_000, single_queue(0.8), Latency(5.02, 22.7), theory=True),
    _program("p2c", 100, 0.8, 1, 120_000, 1.97, 7.4),
    _program("p2c", 100, 0.8, 10, 250_000, 3.05, 11.3),
    _program("p2c", 100, 0.8, 100, 700_000, 4.39, 18.2),
    _program("p2c", 100, 0.8, 1000, 1_500_000, 4.95, 22.7),
    _in_turn(100, 0.8, 60_000, 2.74),
    _program("round_robin", 100, 0.8, 10, 100_000, 3.27),
    _program("round_robin", 100, 0.8, 100, 100_000, 4.29),
    _program("round_robin", 100, 0.8, 1000, 100_000, 5.00),
    _program("least_request", 100, 0.8, 100, 700_000, 4.35),
    _program("p2c", 100, 0.8, 100, 250_000, 2.79, 10.8, part=4),
    _program("p2c", 100, 0.8, 100, 200_000, 2.97, 11.0, part=8),
    _program("p2c", 100, 0.8, 100, 250_000, 3.17, 11.8, part=12),
    _program("p2c", 100, 0.8, 100, 300_000, 3.50, 13.3, part=20),
)
"""The same load from ever more clients, each of which knows only its own calls: what every library really does. In the end, clients
that use a part of the fleet."""

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
    equip, senders = _equipment(cell), array("i")
    # Who takes turns does so whatever happens: where each request goes is known if it is known who sent it.
    turns = cell.contender == "round_robin"
    run = simulate(played, _watched(equip, senders) if turns else equip, seed, progress)
    requests = Requests.of(Columns.of(run.ledger), _UNIT_S)
    from_ = run.warm_up_s / _UNIT_S
    if cell.clients == 1 and not turns and cell.contender != "random":
        return occupancy.estimate(requests, cell.servers, cell.utilisation, from_)
    known = in_turn(np.array(senders), requests.pod, cell.servers) if turns else None
    return estimate(requests, cell.servers, cell.utilisation, from_, cell.expected, known)


def in_turn(sender: Indices, pod: Indices, servers: int) -> Indices:
    """Where every request goes if each client takes the servers in turn from the one that it began with. In order of arrival."""
    by_sender = np.argsort(sender, kind="stable")
    first = np.flatnonzero(np.diff(sender[by_sender], prepend=-1))
    sizes = np.diff(first, append=len(sender))
    turn = np.arange(len(sender)) - np.repeat(first, sizes)
    server = np.empty_like(pod)
    server[by_sender] = (np.repeat(pod[by_sender][first], sizes) + turn) % servers
    return server


def _watched(equip: Contender, senders: "array[int]") -> Contender:
    """The same, and `senders` says which client sent each request."""
    indices = count()

    def watched(surroundings: Surroundings) -> Chooser:
        chooser, index = equip(surroundings), next(indices)
        choose = chooser.pick

        def pick(request: Request) -> Pick | None:
            senders.append(index)
            return choose(request)

        chooser.pick = pick  # type: ignore[method-assign]
        return chooser

    return watched


def _equipment(cell: Cell) -> Contender:
    """The tables are about clients that use the whole fleet, however many they are, or parts of it that are spaced evenly."""
    if cell.part:
        # As many clients are to share an endpoint as makes parts of that size.
        share = cell.part * cell.clients // cell.servers
        subset = Subset(above=1, clients_per_endpoint=share, least=cell.part)
        return _seated(trimtab(Policy(strategy=cell.contender, subset=subset)), cell.clients)
    if cell.contender in strategies():
        return trimtab(Policy(strategy=cell.contender, subset=Subset(mode="off"), max_connections=cell.servers))
    if cell.choices == 2:
        return contender(cell.contender)

    class Drawing(EnvoyLeastRequest):
        choice_count = cell.choices

    return Drawing


def _seated(equip: Contender, clients: int) -> Contender:
    """The same, with parts that begin at equal distances."""
    indices = count()

    def seated(surroundings: Surroundings) -> Chooser:
        seat = Seat(0, clients, (next(indices) + 0.5) / clients)
        return equip(replace(surroundings, seat=seat))

    return seated
