"""What a scenario file says: pods, clients, what they ask, and what happens. Times in the units their names end in."""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from .event import AnyEvent
from .part import Count, Name, NotNegative, Part, Positive
from .request_kind import Cache, RequestKind, ServiceTime


class CurvePoint(Part, frozen=True, kw_only=True):
    """`age_s` after its start a pod is `factor` times slower."""

    age_s: NotNegative
    factor: Positive


class ColdStart(Part, frozen=True, kw_only=True):
    """A pod that just started: `factor` times slower, later `duration_s / age` times (finagle's balancersim)."""

    factor: Annotated[float, Meta(ge=1)] = 5.0
    duration_s: Positive = 10.0
    curve: tuple[CurvePoint, ...] = ()
    """As measured, in the place of the two: linear in between, and from the last point on as fast as ever."""

    @property
    def lasts_s(self) -> float:
        """How long it takes until the pod is warm."""
        return self.curve[-1].age_s if self.curve else self.duration_s

    def factor_at(self, age_s: float) -> float:
        """How many times slower a pod of that age is."""
        if age_s >= self.lasts_s:
            return 1.0
        if not self.curve:
            return min(self.factor, self.duration_s / age_s) if age_s else self.factor
        before = self.curve[0]
        for after in self.curve:
            if age_s < after.age_s:
                part = (age_s - before.age_s) / (after.age_s - before.age_s)
                return before.factor + part * (after.factor - before.factor)
            before = after
        return 1.0


class PodGroup(Part, frozen=True, kw_only=True):
    """Pods that are alike."""

    name: Name
    count: Count
    zones: dict[str, Annotated[int, Meta(ge=0)]] = field(default_factory=dict)
    """How many in which zone, `count` in all; empty: zones are no matter here."""
    concurrency: Count = 1
    """Requests worked on at a time; the others queue."""
    speed: Positive = 1.0
    service_time: ServiceTime | None = None
    """How long these pods work on any request, whatever its kind says; none: as long as the request's kind says."""
    cache: Cache | None = None
    """None: every request is the same work every time."""
    labels: dict[str, str] = field(default_factory=dict)
    """What policies may choose parts of the fleet by, such as a shard."""
    weight: Annotated[int, Meta(ge=1)] = 1
    """What the control plane tells clients."""
    cold_start: ColdStart | None = None
    """For pods that start while the scenario runs, and with `cold_at_start` for those there from the start."""
    cold_at_start: bool = False


class LoadStep(Part, frozen=True, kw_only=True):
    """From `at_s` on the clients send `factor` times their rate."""

    at_s: NotNegative
    factor: NotNegative


class ClientGroup(Part, frozen=True, kw_only=True):
    """Clients that are alike. One of `requests_per_s`, `utilisation` and `users` says how much they send."""

    name: Name = "clients"
    count: Count = 1
    """Client pods."""
    workers: Count = 1
    """Processes per pod; each has its own balancer and knows only its own calls."""
    zones: dict[str, Annotated[int, Meta(ge=0)]] = field(default_factory=dict)
    requests_per_s: Positive | None = None
    """All clients of the group together, as a Poisson process."""
    utilisation: Positive | None = None
    """The same as a share of what the pods of the scenario's start can do."""
    users: Count | None = None
    """This many users send one request after the other."""
    load: tuple[LoadStep, ...] = ()
    requests: tuple[RequestKind, ...] = ()
    """What these clients ask for, in the place of the scenario's requests."""


class Network(Part, frozen=True, kw_only=True):
    """What it takes and costs to get from zone to zone."""

    same_zone_ms: NotNegative = 0.0
    """One way."""
    cross_zone_ms: NotNegative = 0.0
    """One way."""
    between_ms: dict[str, dict[str, NotNegative]] = field(default_factory=dict)
    """One way from a client's zone to a pod's; the answer takes as long. For clients of the other zone it is the same, unless
    given as well. `cross_zone_ms` holds for pairs that are not named."""
    kilobytes_per_request: NotNegative = 20.0
    """Request and response together."""
    usd_per_gb: NotNegative = 0.02
    """Between zones; AWS, GCP and Azure list 0.01 for each direction."""


class Contestant(Part, frozen=True, kw_only=True):
    """A contender, or one of ours with a policy of its own."""

    name: str
    use: str | None = None
    """A contender's name, in the place of a policy; none: Trimtab under `policy`."""
    policy: dict[str, Any] = field(default_factory=dict)
    """Fields of `trimtab.model.Policy`."""


class Published(Part, frozen=True, kw_only=True):
    """What somebody else measured, to be shown beside our number."""

    metric: Literal[
        "mean_ms",
        "p50_ms",
        "p90_ms",
        "p99_ms",
        "p999_ms",
        "max_over_mean",
        "utilisation_max_over_mean",
        "errors",
        "cross_zone",
        "pods_needed",
    ]
    """`pods_needed` is found out only when a target is to be held."""
    contender: str
    than: str | None = None
    """The number is a ratio, to what this other contender shows."""
    value: float
    source: str
    """Who says so, and under which conditions if they differ."""


class Scenario(Part, frozen=True, kw_only=True):
    """All of it."""

    title: str
    about: str = ""
    duration_s: Positive
    """Measured time."""
    warm_up_s: NotNegative = 0.0
    """Simulated before it and not counted. Times of events count from the start of the measured time."""
    pods: Annotated[tuple[PodGroup, ...], Meta(min_length=1)]
    clients: Annotated[tuple[ClientGroup, ...], Meta(min_length=1)]
    requests: Annotated[tuple[RequestKind, ...], Meta(min_length=1)] = (RequestKind(),)
    network: Network = Network()
    timeout_s: Positive | None = None
    propagation_delay_s: NotNegative = 1.0
    """From a change of a pod until clients have it."""
    events: tuple[AnyEvent, ...] = ()
    contenders: Annotated[tuple[str | Contestant, ...], Meta(min_length=1)] = (
        "kube-proxy",
        "headless-dns",
        "envoy-least-request",
        "p2c",
    )
    published: tuple[Published, ...] = ()
    aim: str = ""
    """What to look at in the result."""
