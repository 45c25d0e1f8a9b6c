"""A scenario, every contender, several seeds: as many processes as there are processors."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from .contenders import named
from .measures import METRICS, Measures, measure
from .scenario import Contestant, Scenario
from .simulation import simulate
from .statistics import Floats, Interval, interval

Task = TypeVar("Task")
Result = TypeVar("Result")
OnDone = Callable[[int, int], None]
"""Told how many of how many runs are done."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one contender showed, a measurement per seed."""

    contender: str
    runs: Sequence[Measures]

    def by_seed(self, name: str) -> Floats:
        """A metric of each run."""
        return np.array([run.values[name] for run in self.runs])

    def metric(self, name: str) -> Interval:
        """Mean over the seeds, with a 95 % confidence interval."""
        return interval(self.by_seed(name))

    @property
    def metrics(self) -> Mapping[str, Interval]:
        """All of them."""
        return {name: self.metric(name) for name in METRICS}


def run(
    scenario: Scenario,
    contestants: Sequence[str | Contestant],
    seeds: Sequence[int],
    *,
    processes: int | None = None,
    on_done: OnDone | None = None,
) -> Sequence[Finding]:
    """Play the scenario with every contender under every seed; the order of the runs does not matter.

    Raises ScenarioError for a contender that does not exist, before anything is simulated.
    """
    for contestant in contestants:
        named(contestant)
    tasks = [(scenario, contestant, seed) for contestant in contestants for seed in seeds]
    return findings(contestants, spread(play, tasks, processes=processes, on_done=on_done))


def play(task: tuple[Scenario, str | Contestant, int]) -> Measures:
    """One run: a scenario, a contender and a seed."""
    scenario, contestant, seed = task
    return measure(simulate(scenario, named(contestant)[1], seed), scenario.network)


def findings(contestants: Sequence[str | Contestant], measured: Sequence[Measures]) -> Sequence[Finding]:
    """What was measured, which is every seed of the first contender, then of the next, …, by contender."""
    size = len(measured) // len(contestants)
    return [
        Finding(named(contestant)[0], measured[index * size : (index + 1) * size])
        for index, contestant in enumerate(contestants)
    ]


def spread(
    work: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    processes: int | None = None,
    on_done: OnDone | None = None,
) -> Sequence[Result]:
    """`work` applied to every task, results in the order of the tasks."""
    everything = list(tasks)
    processes = min(processes or os.cpu_count() or 1, len(everything))
    if processes <= 1:
        return [_told(work(task), index + 1, len(everything), on_done) for index, task in enumerate(everything)]
    # Spawned, not forked: whoever calls may have threads, such as a progress bar's.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_end_with_parent) as pool:
        futures = [pool.submit(work, task) for task in everything]
        for done, _ in enumerate(as_completed(futures), 1):
            _told(None, done, len(everything), on_done)
        return [future.result() for future in futures]


def _end_with_parent() -> None:
    """A worker waits for work at a pipe of which its siblings hold an end as well, so a killed parent would leave all of them
    waiting for ever."""
    threading.Thread(target=_outlive, name="parent", daemon=True).start()


def _outlive() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "this is a worker"
    parent.join()
    os._exit(1)


def _told(result: Result, done: int, of: int, on_done: OnDone | None) -> Result:
    if on_done is not None:
        on_done(done, of)
    return result
