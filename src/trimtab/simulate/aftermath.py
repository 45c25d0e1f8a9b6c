"""What followed each event: how bad it became, for how long, and when new pods carried their part."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from .experiment import Finding
from .happenings import Happening, happenings
from .measures import Measures
from .scenario import Scenario
from .statistics import Interval, interval

_BEFORE: Final = 10
"""Windows before an event that say what is normal, at most."""
CALM: Final = 1.5
"""A p99 up to so many times the normal one is calm."""
CARRIED: Final = 0.8
"""Share of an even part of the requests from which on a new pod counts as in use."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """The time from one event to the next, for one contender. NaN where there is nothing to say or it did not come to that."""

    at_s: float
    what: str
    contender: str
    p99_before_ms: Interval
    p99_worst_ms: Interval
    """Of the windows until the next event."""
    calm_after_s: Interval
    """From the event until p99 is calm and stays so; NaN: it did not in every run."""
    failed: Interval
    """Requests."""
    in_use_after_s: Interval
    """From its start until a new pod has its part of the requests, mean over the new pods; NaN: there are none, or some never
    had it."""


def aftermaths(scenario: Scenario, findings: Sequence[Finding]) -> Iterator[Aftermath]:
    """For every moment in which something happens, each contender in turn."""
    moments = [moment for moment in happenings(scenario) if moment.at_s < scenario.duration_s]
    for index, moment in enumerate(moments):
        until_s = moments[index + 1].at_s if index + 1 < len(moments) else scenario.duration_s
        yield from (_aftermath(moment, until_s, scenario.duration_s, finding) for finding in findings)


def _aftermath(moment: Happening, until_s: float, duration_s: float, finding: Finding) -> Aftermath:
    rows = [_of_run(run, moment.at_s, until_s, duration_s) for run in finding.runs]
    before, worst, calm, failed, in_use = (interval(np.array(values)) for values in zip(*rows, strict=True))
    return Aftermath(moment.at_s, moment.what, finding.contender, before, worst, calm, failed, in_use)


def _of_run(run: Measures, at_s: float, until_s: float, duration_s: float) -> tuple[float, float, float, float, float]:
    windows = run.windows
    width_s = duration_s / len(windows.starts_s)
    first = int(at_s / width_s + 1e-9)
    end = max(first + 1, int(until_s / width_s + 1e-9))
    normal = windows.p99_ms[max(0, first - _BEFORE) : first]
    before = float(np.nanmedian(normal)) if np.isfinite(normal).any() else math.nan
    after = windows.p99_ms[first:end]
    loud = np.flatnonzero(after > CALM * before) if math.isfinite(before) else np.arange(len(after))
    calm_s = math.nan
    if not len(loud):
        calm_s = 0.0
    elif loud[-1] + 1 < len(after):
        calm_s = (first + int(loud[-1]) + 1) * width_s - at_s
    worst = float(np.nanmax(after)) if np.isfinite(after).any() else math.nan
    return before, worst, calm_s, float(windows.failed[first:end].sum()), _in_use(run, at_s, until_s, width_s)


def _in_use(run: Measures, at_s: float, until_s: float, width_s: float) -> float:
    new = [pod for pod, started_s in enumerate(run.started_s) if at_s <= started_s < until_s]
    return float(np.mean([_carried_after(run, pod, width_s) for pod in new])) if new else math.nan


def _carried_after(run: Measures, pod: int, width_s: float) -> float:
    started_s, requests = run.started_s[pod], run.windows.requests
    for window in range(int(started_s / width_s), len(requests)):
        counts = requests[window]
        if counts[pod] and counts[pod] >= CARRIED * counts[counts > 0].mean():
            return max(0.0, window * width_s - started_s)
    return math.nan
