"""What a scenario file says: pods, clients, what they ask, and what happens. Times in the units their names end in."""

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

Positive: TypeAlias = Annotated[float, Meta(gt=0)]
NotNegative: TypeAlias = Annotated[float, Meta(ge=0)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Count: TypeAlias = Annotated[int, Meta(ge=1, le=10_000)]
Name: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything in a scenario: immutable, and a misspelt field is an error."""


class ServiceTime(Part, frozen=True, kw_only=True):
    """How long a pod of speed 1 works on a request."""

    distribution: Literal["constant", "exponential", "lognormal", "truncated-normal", "uniform", "quantiles"] = (
        "exponential"
    )
    mean_ms: Positive = 1.0
    sigma: Positive = 0.8
    """Lognormal: of the logarithm."""
    deviation_ms: Positive = 1.0
    """Truncated normal: standard deviation before truncation."""
    quantiles_ms: dict[str, NotNegative] = {}
    """Quantiles: latency by share of requests, `"0"` and `"1"` included; linear in between."""


class RequestKind(Part, frozen=True, kw_only=True):
    """One kind of call."""

    method: str = "/simulated.Service/Call"
    share: Positive = 1.0
    """Relative to the other kinds."""
    service_time: ServiceTime = ServiceTime()


class ColdStart(Part, frozen=True, kw_only=True):
    """A pod that just started: `factor` times slower, later `duration_s / age` times (finagle's balancersim)."""

    factor: Annotated[float, Meta(ge=1)] = 5.0
    duration_s: Positive = 10.0


class PodGroup(Part, frozen=True, kw_only=True):
    """Pods that are alike."""

    name: Name
    count: Count
    zones: dict[str, Annotated[int, Meta(ge=0)]] = {}
    """How many in which zone, `count` in all; empty: zones are no matter here."""
    concurrency: Count = 1
    """Requests worked on at a time; the others queue."""
    speed: Positive = 1.0
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
    zones: dict[str, Annotated[int, Meta(ge=0)]] = {}
    requests_per_s: Positive | None = None
    """All clients of the group together, as a Poisson process."""
    utilisation: Positive | None = None
    """The same as a share of what the pods of the scenario's start can do."""
    users: Count | None = None
    """This many users send one request after the other."""
    load: tuple[LoadStep, ...] = ()


class Network(Part, frozen=True, kw_only=True):
    """What it takes and costs to get from zone to zone."""

    same_zone_ms: NotNegative = 0.0
    """One way."""
    cross_zone_ms: NotNegative = 0.0
    """One way."""
    kilobytes_per_request: NotNegative = 20.0
    """Request and response together."""
    usd_per_gb: NotNegative = 0.02
    """Between zones; AWS, GCP and Azure list 0.01 for each direction."""


class Event(Part, tag_field="do", frozen=True, kw_only=True):
    """Something happens to pods at `at_s`."""

    at_s: NotNegative
    pods: Name | None = None
    """A group; none: all groups."""
    zone: str | None = None
    """Only those in this zone."""
    first: Count | None = None
    """Only this many, the first ones."""


class Slow(Event, tag="slow", frozen=True, kw_only=True):
    """Requests take `factor` times as long, until `until_s`."""

    factor: Positive
    until_s: Positive | None = None


class Fail(Event, tag="fail", frozen=True, kw_only=True):
    """A `share` of requests fails after `after_ms` without being worked on, until `until_s`."""

    share: Share = 1.0
    after_ms: NotNegative = 1.0
    until_s: Positive | None = None


class Hang(Event, tag="hang", frozen=True, kw_only=True):
    """Requests are taken and never answered, until `until_s`. Needs `timeout_s`."""

    until_s: Positive | None = None


class Crash(Event, tag="crash", frozen=True, kw_only=True):
    """Connections break and are refused, until `until_s`; the control plane notices after `noticed_after_s`."""

    until_s: Positive | None = None
    noticed_after_s: NotNegative = 10.0


class Start(Event, tag="start", frozen=True, kw_only=True):
    """The pods were not there before, and become ready now."""


class Stop(Event, tag="stop", frozen=True, kw_only=True):
    """The pods are deleted: they finish what they have, and are gone after `grace_s`."""

    grace_s: NotNegative = 5.0


class Roll(Event, tag="roll", frozen=True, kw_only=True):
    """A rolling deploy: every `every_s` a new pod starts, and the next old one stops."""

    every_s: Positive = 5.0
    grace_s: NotNegative = 5.0


class Outage(Part, tag_field="do", tag="control-plane-outage", frozen=True, kw_only=True):
    """Nobody hears of any change until `until_s`; then everybody at once."""

    at_s: NotNegative
    until_s: Positive


AnyEvent: TypeAlias = Slow | Fail | Hang | Crash | Start | Stop | Roll | Outage


class Contestant(Part, frozen=True, kw_only=True):
    """A contender, or one of ours with a policy of its own."""

    name: str
    use: str | None = None
    """A contender's name; none: Trimtab under `policy`."""
    policy: dict[str, Any] = {}
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
    ]
    contender: str
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
    contenders: tuple[str | Contestant, ...] = ("kube-proxy", "headless-dns", "envoy-least-request", "p2c")
    published: tuple[Published, ...] = ()
    aim: str = ""
    """What to look at in the result."""
