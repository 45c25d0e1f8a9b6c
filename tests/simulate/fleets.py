"""Small scenarios and hand-driven pods for the tests of the simulator."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from trimtab.balance import Request
from trimtab.model import Assignment, Endpoint, Health, Locality, LocalityEndpoints
from trimtab.simulate.chooser import Chooser, Contender, Surroundings
from trimtab.simulate.pod import Pod
from trimtab.simulate.request_kind import RequestKind, ServiceTime
from trimtab.simulate.scenario import ClientGroup, PodGroup, Scenario
from trimtab.simulate.simulation import Run
from trimtab.simulate.timeline import Timeline

REQUEST = Request("/shop.Shop/Buy")


def scenario(**changes: Any) -> Scenario:
    """Ten pods, five clients, 10 ms per request, utilisation 0.6, ten seconds."""
    fields: dict[str, Any] = {
        "title": "small",
        "duration_s": 10.0,
        "pods": (PodGroup(name="pod", count=10),),
        "clients": (ClientGroup(count=5, utilisation=0.6),),
        "requests": (RequestKind(service_time=ServiceTime(mean_ms=10.0)),),
    }
    return Scenario(**{**fields, **changes})


def pods(count: int, timeline: Timeline) -> list[Pod]:
    return [Pod(i, Endpoint(f"10.0.0.{i + 1}", 8080), timeline, random.Random(1)) for i in range(count)]


def assignment(pods: Sequence[Pod]) -> Assignment:
    endpoints = tuple(pod.endpoint for pod in pods)
    assert all(endpoint.health is Health.HEALTHY for endpoint in endpoints)
    return Assignment("shop", (LocalityEndpoints(Locality(), endpoints),))


def chooser(contender: Contender, pods: Sequence[Pod], timeline: Timeline, seed: int = 1) -> Chooser:
    """A client's chooser, which knows of no pod yet."""
    by_identity = {pod.endpoint.identity: pod for pod in pods}
    return contender(Surroundings("client-0", Locality(), timeline, random.Random(seed), {Locality(): 1}, by_identity))


def chosen(by: Chooser, times: int) -> "Counter[int]":
    """How often each pod is chosen when every call ends at once."""
    counts: Counter[int] = Counter()
    for _ in range(times):
        counts[take(by)] += 1
    return counts


def take(by: Chooser) -> int:
    """Index of the pod that a call goes to, which ends at once."""
    pick = by.pick(REQUEST)
    assert pick is not None
    pod = pick.node.transport
    assert isinstance(pod, Pod)
    pick.abandon()
    return pod.index


def statuses(run: Run, from_s: float = 0.0, until_s: float = float("inf")) -> "Counter[str]":
    """How the requests sent in a span of measured time ended."""
    ledger = run.ledger
    rows = zip(ledger.started_s, ledger.status, strict=True)
    return Counter(ledger.statuses[status] for at_s, status in rows if from_s <= at_s - run.warm_up_s < until_s)


def requests(run: Run, from_s: float = 0.0, until_s: float = float("inf")) -> "Counter[int]":
    """How many requests sent in a span of measured time went to which pod."""
    rows = zip(run.ledger.started_s, run.ledger.pod, strict=True)
    return Counter(pod for at_s, pod in rows if from_s <= at_s - run.warm_up_s < until_s)
