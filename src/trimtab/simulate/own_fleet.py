"""A scenario from a real fleet: its pods and clients as a control plane or manifests know them, and the load that was measured."""

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..errors import ScenarioError
from .apportion import apportion
from .event import AnyEvent
from .observed import Observed, RunningPod
from .request_kind import RequestKind, ServiceTime
from .scenario import ClientGroup, Contestant, LoadStep, Network, PodGroup, Scenario
from .scenario_file import check

_SAME_SPEED: Final = 1.1
"""Pods that differ by less are put into one group."""
_PEAK: Final = 0.8
"""Assumed utilisation at the peak of the load, where nobody says how much a pod does at a time."""
_NETWORK: Final = Network(same_zone_ms=0.15, cross_zone_ms=0.5)
"""One way, as cloud providers have it between zones of a region."""


@dataclass(frozen=True, slots=True)
class RealFleet:
    """What is known of a service that runs."""

    service: str
    source: str
    """Who says so, for people."""
    pods: Sequence[RunningPod]
    clients: Mapping[str, int]
    """Subscribers by zone, as far as known."""
    policy: Mapping[str, Any]
    """What differs from the defaults."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the user says; None: follows from what was measured, or is assumed."""

    duration_s: float = 60.0
    requests_per_s: float | None = None
    service_time_ms: float | None = None
    sigma: float = 0.8
    concurrency: int | None = None
    clients: int | None = None
    workers: int = 1
    events: tuple[AnyEvent, ...] = ()


def scenario_of(fleet: RealFleet, seen: Observed, given: Given) -> Scenario:
    """The scenario, with what it is made from in its `about`. Raises ScenarioError for what is missing."""
    if not fleet.pods:
        raise ScenarioError(f"{fleet.service} has no healthy endpoint, so there is nothing to simulate")
    load, service_ms = _load(seen, given), _service_ms(seen, given)
    peak = load[0] * max((step.factor for step in load[1]), default=1.0)
    in_flight = peak * service_ms / 1000 / len(fleet.pods)
    concurrency = given.concurrency or max(1, math.ceil(in_flight / _PEAK))
    scenario = Scenario(
        title=f"{fleet.service}, as it is",
        about=" ".join(_about(fleet, seen, given, load[0], service_ms, concurrency)),
        aim="Latency and requests per pod under the policies compared.",
        duration_s=given.duration_s,
        warm_up_s=min(5.0, given.duration_s / 10),
        pods=_groups(fleet.pods, seen, concurrency),
        clients=(_clients(fleet, given, *load),),
        requests=(RequestKind(service_time=_service_time(service_ms, given.sigma)),),
        network=_NETWORK if len({pod.zone for pod in fleet.pods}) > 1 else Network(),
        timeout_s=max(5.0, service_ms / 50),
        events=given.events,
        contenders=_contenders(fleet),
    )
    check(scenario, fleet.service, events="--event")
    return scenario


def _load(seen: Observed, given: Given) -> tuple[float, tuple[LoadStep, ...]]:
    """Requests per second, and how they change. The time that was measured is played in the time of the simulation."""
    if not seen.load:
        if given.requests_per_s is None:
            raise ScenarioError("how much load? Give --requests-per-s, or --qps with what was measured")
        return given.requests_per_s, ()
    mean = statistics.fmean(value for _, value in seen.load)
    pace = given.duration_s / seen.span_s
    course = tuple(LoadStep(at_s=round(at_s * pace, 3), factor=round(value / mean, 4)) for at_s, value in seen.load)
    return given.requests_per_s or mean, course if len(course) > 1 else ()


def _service_ms(seen: Observed, given: Given) -> float:
    if given.service_time_ms is not None:
        return given.service_time_ms
    if not seen.latency_s:
        raise ScenarioError("how long does a request take? Give --service-time-ms, or --latency with what was measured")
    return 1000 * statistics.median(seen.latency_s.values())


def _service_time(mean_ms: float, sigma: float) -> ServiceTime:
    if not sigma:
        return ServiceTime(distribution="constant", mean_ms=mean_ms)
    return ServiceTime(distribution="lognormal", mean_ms=mean_ms, sigma=sigma)


def _groups(pods: Sequence[RunningPod], seen: Observed, concurrency: int) -> tuple[PodGroup, ...]:
    """Pods of about the same speed and the same weight are alike."""
    typical = statistics.median(seen.latency_s.values()) if seen.latency_s else 1.0
    alike: dict[tuple[int, int], list[RunningPod]] = {}
    for pod in pods:
        speed = typical / seen.latency_s.get(pod.name, typical)
        alike.setdefault((round(math.log(speed, _SAME_SPEED)), pod.weight), []).append(pod)
    return tuple(
        PodGroup(
            name=f"pods-{number}",
            count=len(members),
            zones=_zones(Counter(pod.zone for pod in members)),
            concurrency=concurrency,
            speed=round(_SAME_SPEED**step, 3),
            weight=weight,
        )
        for number, ((step, weight), members) in enumerate(sorted(alike.items()), 1)
    )


def _clients(fleet: RealFleet, given: Given, requests_per_s: float, load: tuple[LoadStep, ...]) -> ClientGroup:
    zones: Mapping[str, int] = {zone: count for zone, count in fleet.clients.items() if zone and count}
    zones = zones or Counter(pod.zone for pod in fleet.pods)
    count = given.clients or sum(fleet.clients.values()) or len(fleet.pods)
    shares = apportion(list(zones.values()), count)
    placed = {zone: share for zone, share in zip(zones, shares, strict=True) if share}
    return ClientGroup(
        count=count, workers=given.workers, zones=_zones(placed), requests_per_s=requests_per_s, load=load
    )


def _zones(counts: Mapping[str, int]) -> dict[str, int]:
    """Nothing where no zone is known."""
    if not any(counts):
        return {}
    return {zone or "unknown": count for zone, count in sorted(counts.items())}


def _contenders(fleet: RealFleet) -> tuple[str | Contestant, ...]:
    apart = len({pod.zone for pod in fleet.pods}) > 1
    others = ("kube-proxy", "headless-dns", "envoy-zone-aware" if apart else "envoy-least-request", "p2c")
    return (*others, Contestant(name="as configured", policy=dict(fleet.policy))) if fleet.policy else others


def _about(
    fleet: RealFleet, seen: Observed, given: Given, requests_per_s: float, service_ms: float, concurrency: int
) -> Iterator[str]:
    yield f"{len(fleet.pods)} pods, according to {fleet.source}."
    if seen.load:
        yield (
            f"{seen.span_s:g} s of measured load, played in {given.duration_s:g} s: {requests_per_s:.1f} requests per second on "
            "average."
        )
    else:
        yield f"{requests_per_s:g} requests per second."
    if seen.latency_s:
        yield (
            f"Speeds follow from the latency of {len(seen.latency_s)} pods, {service_ms:.1f} ms in the middle, as if nothing of it were "
            "waiting; the other pods are as fast as the one in the middle."
        )
    if seen.strangers:
        yield f"Left out, because they are no pods of the service: {', '.join(seen.strangers)}."
    if given.concurrency is None:
        yield f"Assumed: a pod works on {concurrency} requests at a time, at {_PEAK:.0%} of what it can do when load is highest."
    if given.clients is None and not sum(fleet.clients.values()):
        yield "Assumed: as many clients as pods."
