"""What exports say of the pods of one fleet: how much load there is over time, and how fast each pod is."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from ..errors import ScenarioError
from .export import Series
from .part import Part

_EXAMPLES: Final = 3
_STEPS: Final = 60
"""Into how many steps a measured load is cut, at most."""


class RunningPod(Part, frozen=True, kw_only=True):
    """A pod of a real fleet."""

    name: str
    address: str
    """`IP:port`."""
    zone: str = ""
    weight: int = 1

    def is_called(self, name: str) -> bool:
        """Whether a monitoring system means this pod by that name: its own, its IP, or its IP with any port, such as that of metrics."""
        ip = _ip(self.address)
        return name in (self.name, self.address, ip) or (":" in name and _ip(name) == ip)


def _ip(address: str) -> str:
    """Of `IP:port`."""
    return address.rpartition(":")[0].strip("[]")


@dataclass(frozen=True, slots=True)
class Observed:
    """What was measured of a fleet."""

    load: Sequence[tuple[float, float]]
    """(seconds since the first, requests per second of all pods from then on), by time; empty: not measured."""
    span_s: float
    """How long was measured."""
    latency_s: Mapping[str, float]
    """Of a pod that was measured, the median over time."""
    strangers: Sequence[str]
    """Measured pods that are none of the fleet's."""


def observed(pods: Sequence[RunningPod], qps: Sequence[Series], latency: Sequence[Series]) -> Observed:
    """Bring exports and fleet together. Raises ScenarioError if they have no pod in common."""
    served, strangers = _by_pod(pods, qps)
    waited, more_strangers = _by_pod(pods, latency)
    if (qps and not served) or (latency and not waited):
        raise ScenarioError(
            f"no measured pod is one of the service's: measured are {_some((*strangers, *more_strangers))}; "
            f"the service has {_some(pod.name for pod in pods)}"
        )
    load, span_s = _total(served)
    if qps and not any(value for _, value in load):
        raise ScenarioError("the pods of the service had no requests in the whole time that was exported")
    medians = {
        name: statistics.median(statistics.fmean(values) for values in points.values())
        for name, points in waited.items()
    }
    return Observed(
        load,
        span_s,
        {name: value for name, value in medians.items() if value > 0},
        sorted({*strangers, *more_strangers}),
    )


Points = dict[float, list[float]]
"""By time, a value of every series that the pod has, such as one for each method."""


def _by_pod(pods: Sequence[RunningPod], series: Sequence[Series]) -> tuple[dict[str, Points], list[str]]:
    """Points by the pod's name, and the names of series that belong to none."""
    found: dict[str, Points] = {}
    strangers = []
    for one in series:
        pod = next((pod for pod in pods if any(map(pod.is_called, one.names))), None)
        if pod is None:
            strangers.append(one.names[0])
        elif one.points:
            points = found.setdefault(pod.name, {})
            for at, value in one.points:
                points.setdefault(at, []).append(value)
    return found, strangers


def _total(by_pod: Mapping[str, Points]) -> tuple[Sequence[tuple[float, float]], float]:
    """Requests per second of all pods in a row of steps, and how long they are together. Pods need not be measured in the same
    moments, but each has to be measured in every step that is to count it."""
    times = sorted({at for points in by_pod.values() for at in points})
    if not times:
        return [], 0.0
    gaps = [later - earlier for points in by_pod.values() for earlier, later in pairwise(sorted(points))]
    width_s = max((times[-1] - times[0]) / _STEPS, statistics.median(gaps) if gaps else 1.0)
    steps: dict[int, dict[str, list[float]]] = {}
    for name, points in by_pod.items():
        for at, values in points.items():
            step = int((at - times[0]) / width_s + 1e-9)
            steps.setdefault(step, {}).setdefault(name, []).append(sum(values))
    load = [
        (step * width_s, sum(statistics.fmean(values) for values in pods.values()))
        for step, pods in sorted(steps.items())
    ]
    return load, load[-1][0] + width_s


def _some(names: Iterable[str]) -> str:
    everyone = list(dict.fromkeys(names))
    return ", ".join(everyone[:_EXAMPLES]) + (", …" if len(everyone) > _EXAMPLES else "")
