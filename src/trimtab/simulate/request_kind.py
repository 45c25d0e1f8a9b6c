"""What clients ask for."""

from typing import Annotated, Literal

from msgspec import Meta, field

from .part import Count, NotNegative, Part, Positive


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
    quantiles_ms: dict[str, NotNegative] = field(default_factory=dict)
    """Quantiles: latency by share of requests, `"0"` and `"1"` included; linear in between."""


class Attribute(Part, frozen=True, kw_only=True):
    """An attribute of requests whose values are `"0"`, `"1"`, …: a shard, the key of a session or of a cache."""

    values: Annotated[int, Meta(ge=1, le=1_000_000)]
    """How many different ones there are."""
    zipf: NotNegative = 0.0
    """How unequal: value number i comes up in proportion to `1 / i ** zipf`; 0: all alike."""


class RequestKind(Part, frozen=True, kw_only=True):
    """One kind of call."""

    method: str = "/simulated.Service/Call"
    share: Positive = 1.0
    """Relative to the other kinds."""
    service_time: ServiceTime = ServiceTime()
    cost: Positive | Literal["exact"] | None = None
    """What callers declare it to cost, for policies whose load is `cost`: a number for all of the kind, or `exact`, which is the
    work of each request in milliseconds; none: they declare nothing."""
    attributes: dict[str, Attribute] = field(default_factory=dict)
    """What callers say beside the call, by name: `hash_key` for consistent hashing, `shard`, …"""


class Cache(Part, frozen=True, kw_only=True):
    """What a pod remembers: a request for something it has worked on lately is less work."""

    entries: Count
    """As many values of `attribute`; the one not asked for the longest is forgotten first."""
    hit: NotNegative
    """Share of the work that is left when it remembers."""
    attribute: str = "hash_key"
