"""How many pods does it take? The least number that holds a latency target, per contender and seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from ..errors import ScenarioError
from .apportion import apportion
from .contenders import named
from .experiment import OnDone, spread
from .measures import PERCENTILES, measure
from .scenario import ClientGroup, Contestant, PodGroup, Scenario
from .simulation import capacity, simulate
from .statistics import Interval, interval

_MOST = 8
"""Times the pods of the scenario: whoever needs more has no answer."""


@dataclass(frozen=True, slots=True)
class Target:
    """A percentile that has to stay at or below some milliseconds."""

    metric: str
    milliseconds: float

    @classmethod
    def parse(cls, text: str) -> "Target":
        """From `p99=50`. Raises ScenarioError."""
        name, _, value = text.partition("=")
        metric = f"{name.strip()}_ms"
        try:
            milliseconds = float(value)
        except ValueError:
            milliseconds = 0.0
        if metric not in PERCENTILES or not milliseconds > 0:
            known = ", ".join(known.removesuffix("_ms") for known in PERCENTILES)
            raise ScenarioError(f"--hold: expected PERCENTILE=MILLISECONDS with one of {known}, got {text!r}")
        return cls(metric, milliseconds)

    def __str__(self) -> str:
        return f"{self.metric.removesuffix('_ms')} ≤ {self.milliseconds:g} ms"


@dataclass(frozen=True, slots=True)
class Need:
    """The pods one contender needs."""

    contender: str
    by_seed: Sequence[int | None]
    """None: not even eight times the pods of the scenario hold the target."""

    @property
    def pods(self) -> Interval | None:
        """Mean over the seeds; None: not every seed has an answer."""
        known = [pods for pods in self.by_seed if pods is not None]
        return interval(np.array(known, dtype=float)) if len(known) == len(self.by_seed) else None


def solve(
    scenario: Scenario,
    contestants: Sequence[str | Contestant],
    target: Target,
    seeds: Sequence[int],
    *,
    processes: int | None = None,
    on_done: OnDone | None = None,
) -> Sequence[Need]:
    """The pods that each contender needs to hold `target` under the load of the scenario."""
    tasks = [(scenario, contestant, target, seed) for contestant in contestants for seed in seeds]
    return needs(contestants, spread(least, tasks, processes=processes, on_done=on_done))


def needs(contestants: Sequence[str | Contestant], solved: Sequence[int | None]) -> Sequence[Need]:
    """What was found, which is every seed of the first contender, then of the next, …, by contender."""
    size = len(solved) // len(contestants)
    return [
        Need(named(contestant)[0], solved[index * size : (index + 1) * size])
        for index, contestant in enumerate(contestants)
    ]


def scaled(scenario: Scenario, pods: int) -> Scenario:
    """The same load on `pods` pods: groups and zones keep their proportions as far as whole pods allow."""
    counts = apportion([group.count for group in scenario.pods], pods)
    groups = [_resized(group, count) for group, count in zip(scenario.pods, counts, strict=True) if count]
    clients = tuple(_fixed(group, capacity(scenario, group)) for group in scenario.clients)
    return msgspec.structs.replace(scenario, pods=tuple(groups), clients=clients)


def least(task: tuple[Scenario, str | Contestant, Target, int]) -> int | None:
    """The least number of pods that holds a target, for one contender and seed; None: eight times as many do not."""
    scenario, contestant, target, seed = task
    contender = named(contestant)[1]

    def holds(pods: int) -> bool:
        run = simulate(scaled(scenario, pods), contender, seed)
        return measure(run, scenario.network).values[target.metric] <= target.milliseconds

    total = sum(group.count for group in scenario.pods)
    # As many groups as there are want at least one pod each.
    too_few, enough = len(scenario.pods) - 1, total
    while not holds(enough):
        too_few, enough = enough, max(enough + 1, enough * 5 // 4)
        if enough > _MOST * total:
            return None
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if holds(middle):
            enough = middle
        else:
            too_few = middle
    return enough


def _resized(group: PodGroup, count: int) -> PodGroup:
    shares = apportion(list(group.zones.values()), count) if group.zones else []
    zones = dict(zip(group.zones, shares, strict=True))
    return msgspec.structs.replace(group, count=count, zones=zones)


def _fixed(group: ClientGroup, capacity_per_s: float) -> ClientGroup:
    if group.utilisation is None:
        return group
    return msgspec.structs.replace(group, utilisation=None, requests_per_s=group.utilisation * capacity_per_s)
