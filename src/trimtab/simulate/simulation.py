"""A scenario, played once."""

import gc
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ..model import Locality, Seat
from .arrivals import ClosedLoop, OpenLoop, Rate, Replay, Sent
from .chooser import Contender, Surroundings
from .client import STATUSES, Client, Latency
from .course import Course
from .deadlines import Deadlines
from .directory import Directory
from .fleet import Fleet, localities
from .ledger import Ledger
from .pod import Pod
from .scenario import ClientGroup, Network, Scenario
from .timeline import Timeline
from .work import Work, mean_s

_MS = 1e-3
_SLICES = 100
Progress = Callable[[float], None]
"""Told what share of the time has passed."""


@dataclass(frozen=True, slots=True)
class Run:
    """What happened."""

    ledger: Ledger
    pods: Sequence[Pod]
    warm_up_s: float
    duration_s: float


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector of reference cycles: requests leave none, and a fifth of the time would go into looking for them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_uncollected()
def simulate(
    scenario: Scenario,
    contender: Contender,
    seed: int,
    progress: Progress | None = None,
    replay: Iterable[Sent] | None = None,
) -> Run:
    """Play `scenario` with every client equipped by `contender`. The same seed gives the same run.

    Arrivals and demands have random numbers of their own, so that contenders under one seed face the same requests. With `replay`
    those are sent, in the place of what the scenario's clients would send.
    """
    timeline = Timeline()
    fleet = Fleet(scenario.pods, timeline, str(seed))
    directory = Directory(timeline, scenario.propagation_delay_s)
    course = Course(scenario, fleet, directory, timeline)
    seats = [list(_seats(group)) for group in scenario.clients]
    zones = sorted({pod.locality for pod in fleet.pods} | {seat for group in seats for seat in group})
    ledger = Ledger(STATUSES, zones)
    latency_s = _latency(scenario.network, zones)
    deadlines = Deadlines(scenario.timeout_s, timeline) if scenario.timeout_s is not None else None
    census = Counter(seat for group in seats for seat in group)

    seated: Counter[str] = Counter()

    def client(name: str, locality: Locality) -> Client:
        rng = random.Random(f"{seed}/client/{name}")
        seat = Seat.among(locality.zone, seated[locality.zone], census.total())
        seated[locality.zone] += 1
        chooser = contender(Surroundings(name, locality, timeline, rng, census, fleet.by_identity, seat))
        return Client(locality, chooser, timeline, ledger, latency_s, deadlines)

    groups = [
        [client(f"{group.name}-{index}", locality) for index, locality in enumerate(places)]
        for group, places in zip(scenario.clients, seats, strict=True)
    ]
    course.begin([client for group in groups for client in group])
    until_s = scenario.warm_up_s + scenario.duration_s
    if replay is not None:
        Replay([client for group in groups for client in group], replay, timeline).start()
    else:
        for index, (group, clients) in enumerate(zip(scenario.clients, groups, strict=True)):
            rng = random.Random(f"{seed}/arrivals/{index}")
            _traffic(scenario, group, clients, timeline, rng).start(until_s)
    _play(timeline, until_s, progress)
    return Run(ledger, fleet.pods, scenario.warm_up_s, scenario.duration_s)


def capacity(scenario: Scenario, clients: ClientGroup) -> float:
    """Requests per second, of the kinds that `clients` send, that all pods of the scenario can do together."""
    asked_s = Work(clients.requests or scenario.requests).mean_s
    return sum(
        group.count * group.concurrency * group.speed / (mean_s(group.service_time) if group.service_time else asked_s)
        for group in scenario.pods
    )


def _seats(group: ClientGroup) -> Iterator[Locality]:
    for locality in localities(group.zones, group.count):
        for _ in range(group.workers):
            yield locality


def _traffic(
    scenario: Scenario,
    group: ClientGroup,
    clients: Sequence[Client],
    timeline: Timeline,
    rng: random.Random,
) -> OpenLoop | ClosedLoop:
    work = Work(group.requests or scenario.requests)
    if group.users is not None:
        return ClosedLoop(clients, group.users, work, timeline, rng)
    rate = group.requests_per_s or (group.utilisation or 0.0) * capacity(scenario, group)
    steps = [(0.0, rate)]
    for step in group.load:
        at_s = step.at_s + scenario.warm_up_s if step.at_s else 0.0
        if at_s == steps[-1][0]:
            steps.pop()
        steps.append((at_s, rate * step.factor))
    return OpenLoop(clients, Rate(tuple(steps)), work, timeline, rng)


def _latency(network: Network, zones: Sequence[Locality]) -> Latency:
    return {
        (here, there): delay_ms * _MS
        for here in zones
        for there in zones
        if (delay_ms := _one_way(network, here, there))
    }


def _one_way(network: Network, here: Locality, there: Locality) -> float:
    if here == there:
        return network.same_zone_ms
    between = network.between_ms
    there_ms = between.get(here.zone, {}).get(there.zone)
    return between.get(there.zone, {}).get(here.zone, network.cross_zone_ms) if there_ms is None else there_ms


def _play(timeline: Timeline, until_s: float, progress: Progress | None) -> None:
    for number in range(1, _SLICES + 1):
        timeline.run(until_s * number / _SLICES)
        if progress is not None:
            progress(number / _SLICES)
    # What was sent is answered: leaving out requests that still wait would hide the worst of them.
    timeline.drain()
