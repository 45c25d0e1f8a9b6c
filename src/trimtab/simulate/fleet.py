"""The pods of a scenario, from the first to the last."""

import random
from collections.abc import Iterator, Sequence

from ..model import Endpoint, Locality
from .chooser import Identity
from .pod import NOWHERE, Pod
from .scenario import PodGroup
from .timeline import Timeline
from .work import work_on

_PORT = 8080
_COLD_STEPS = 50


def localities(zones: dict[str, int], count: int) -> Sequence[Locality]:
    """Where `count` alike pods sit, one after the other: neighbours in the list are in different zones."""
    if not zones:
        return [NOWHERE] * count
    left = {zone: number for zone, number in zones.items() if number}
    placed: list[Locality] = []
    while left:
        for zone in list(left):
            placed.append(Locality("", zone))
            left[zone] -= 1
            if not left[zone]:
                del left[zone]
    return placed


class Fleet:
    """Every pod there is or was, in order of creation."""

    def __init__(self, groups: Sequence[PodGroup], timeline: Timeline, seed: str) -> None:
        self.pods: list[Pod] = []
        self.by_identity: dict[Identity, Pod] = {}
        self._groups = {group.name: group for group in groups}
        self._timeline = timeline
        self._seed = seed
        for group in groups:
            for locality in localities(group.zones, group.count):
                self._create(group, locality)

    def select(self, group: str | None, zone: str | None, first: int | None) -> Sequence[Pod]:
        """The pods that are meant: of a group, in a zone, only the first ones; None does not narrow."""
        pods = [
            pod
            for pod in self.pods
            if (group is None or pod.group == group) and (zone is None or pod.locality.zone == zone)
        ]
        return pods[:first]

    def successor(self, pod: Pod) -> Pod:
        """A new pod like `pod`, as a deploy creates it."""
        return self._create(self._groups[pod.group], pod.locality)

    def warm_up(self, pod: Pod) -> None:
        """The pod has just started, and is slow for a while if its group has a cold start."""
        cold = self._groups[pod.group].cold_start
        if cold is None:
            return
        timeline, started_s = self._timeline, self._timeline.now
        current = cold.factor_at(0.0)
        pod.pace *= current
        for step in range(1, _COLD_STEPS + 1):
            age_s = cold.lasts_s * step / _COLD_STEPS
            factor = cold.factor_at(age_s)
            timeline.at(started_s + age_s, _Pace(pod, factor / current))
            current = factor

    def cold(self) -> Iterator[Pod]:
        """Pods that the scenario begins with and that have just started."""
        return (pod for pod in self.pods if self._groups[pod.group].cold_at_start)

    def _create(self, group: PodGroup, locality: Locality) -> Pod:
        index = len(self.pods)
        address = f"10.{index >> 16}.{index >> 8 & 255}.{index & 255}"
        name = f"{group.name}-{index}"
        labels = tuple(sorted(group.labels.items()))
        endpoint = Endpoint(address, _PORT, weight=group.weight, hostname=name, uid=name, labels=labels)
        rng = random.Random(f"{self._seed}/pod/{index}")
        pod = Pod(
            index, endpoint, self._timeline, rng, group=group.name, locality=locality, concurrency=group.concurrency
        )
        pod.pace = 1 / group.speed
        pod.work_on = work_on(group, rng)
        self.pods.append(pod)
        self.by_identity[endpoint.identity] = pod
        return pod


class _Pace:
    """Changes a pod's pace when its time has come."""

    __slots__ = ("_factor", "_pod")

    def __init__(self, pod: Pod, factor: float) -> None:
        self._pod = pod
        self._factor = factor

    def __call__(self, _: object) -> None:
        self._pod.pace *= self._factor
