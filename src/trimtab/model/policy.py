"""How one service is balanced."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, runtime_checkable

from ..errors import PolicyError
from .policy_parts import ConsistentHash, OutlierDetection, SuccessRate, WeightedRoundRobin
from .policy_where import HOST_PORT, Shards, Subset
from .schema import CODE_ONLY, check_fields, from_mapping, in_range, one_of, to_mapping

LOADS = ("in_flight", "peak_ewma", "cost")
ZONES = ("prefer", "require", "off")

_SUCCESS_RATE, _WEIGHTED_ROUND_ROBIN, _CONSISTENT_HASH = SuccessRate(), WeightedRoundRobin(), ConsistentHash()
_SUBSET = Subset()


@runtime_checkable
class StrategyObject(Protocol):
    """What this floor knows of a `trimtab.balance.Strategy`."""

    def picker(self, nodes: Any) -> Any:
        """A picker over `nodes`."""
        ...


StrategyMaker = Callable[[Any, Any], StrategyObject]
"""A strategy from a policy and a random number generator."""


class CostObject(Protocol):
    """What this floor knows of a `trimtab.Cost`."""

    @property
    def amount(self) -> float:
        """What the call weighs."""
        ...


@dataclass(frozen=True, slots=True)
class Policy:
    """Balancing policy of one service. Raises PolicyError for a field of another type or out of range."""

    strategy: str | StrategyObject | StrategyMaker = "p2c"
    """Which picker: a name from `trimtab.balance.strategies()`. In code also a `trimtab.balance.Strategy`, or what makes one from
    the policy and a random number generator."""
    max_connections: int = 100
    """At most this many endpoints of the service are connected to by one channel; beyond it a stable subset is used."""
    connect_timeout_s: float = 5.0
    """How long an endpoint may take to accept a connection; for those opened from then on, when it changes."""
    load: str = "in_flight"
    """What an endpoint's load is: calls `in_flight`, `peak_ewma` (latency times calls in flight) or `cost` (the sum of what the
    calls in flight weigh, as their callers say)."""
    peak_ewma_decay_s: float = 10.0
    """Time constant in which a latency peak is forgotten."""
    slow_start_s: float = 0.0
    """How long a new endpoint takes to reach its full share; 0: at once (Envoy's `slow_start_window`)."""
    slow_start_aggression: float = 1.0
    """Shape of the ramp: 1 is linear, more is faster at the beginning (Envoy's `aggression`)."""
    slow_start_min: float = 0.1
    """Where the ramp begins, relative to a full share (Envoy's `min_weight_percent`)."""
    zone: str = "prefer"
    """Calls stay in the client's zone as far as its endpoints go (`prefer`), or never leave it, whatever happens (`require`), or
    zones are no matter (`off`)."""
    zone_penalty: float = 1.0
    """How much longer than elsewhere a call has to take, before it leaves the zone where it belongs: 1 is twice as long."""
    success_rate: SuccessRate | None = _SUCCESS_RATE
    """None: failures do not push traffic away."""
    max_requests: int | None = None
    """Calls in flight to the service beyond which a client's next call fails at once: per channel here, per process in Envoy and
    stock gRPC (gRFC A32). None: no limit here, 1,024 there."""
    outlier_detection: OutlierDetection | None = None
    """None: endpoints are not ejected."""
    weighted_round_robin: WeightedRoundRobin = _WEIGHTED_ROUND_ROBIN
    consistent_hash: ConsistentHash = _CONSISTENT_HASH
    shards: Shards | None = None
    """None: every endpoint can serve every request."""
    subset: Subset = _SUBSET
    fallback: tuple[str, ...] = ()
    """Services that take the calls, in this order, where the service itself cannot: of the same identity and protocol, each named as
    a target is, without a scheme."""
    mode: str = "balance"
    """`passthrough`: calls go where plain gRPC would send them, to what DNS says of the service."""
    dns: str = ""
    """What DNS is asked for then, HOST:PORT; empty: the service's own name and port."""
    cost: Callable[[Any], float | CostObject] | None = field(default=None, metadata=CODE_ONLY)
    """What a `trimtab.balance.Request` weighs where `load` is `cost`; only in code. Without it the request's attribute `cost`
    says so, and 1 is what a request weighs that says nothing. A `trimtab.Cost` corrects it while the call runs: one that this
    returns, or one in the attribute, which takes over the number that this returns."""

    def __post_init__(self) -> None:
        check_fields(self, "policy")
        if not self.strategy:
            raise PolicyError("policy.strategy: expected the name of a strategy, got an empty string")
        one_of("policy.mode", self.mode, ("balance", "passthrough"))
        if self.dns and not HOST_PORT.fullmatch(self.dns):
            raise PolicyError(f"policy.dns: expected HOST:PORT, got {self.dns!r}")
        in_range("policy.max_connections", self.max_connections, 1)
        in_range("policy.connect_timeout_s", self.connect_timeout_s, 0.001, 3600)
        one_of("policy.load", self.load, LOADS)
        if self.cost is not None and self.load != "cost":
            raise PolicyError(
                f"policy.cost: nobody asks what calls weigh while policy.load is {self.load!r}; make it 'cost'"
            )
        in_range("policy.peak_ewma_decay_s", self.peak_ewma_decay_s, 0.001, 86_400)
        in_range("policy.slow_start_s", self.slow_start_s, 0, 86_400)
        in_range("policy.slow_start_aggression", self.slow_start_aggression, 0.001, 1000)
        in_range("policy.slow_start_min", self.slow_start_min, 0, 1)
        one_of("policy.zone", self.zone, ZONES)
        in_range("policy.zone_penalty", self.zone_penalty, 0, 1000)
        if self.max_requests is not None:
            in_range("policy.max_requests", self.max_requests, 1, 2**32 - 1)

    @classmethod
    def from_mapping(cls, value: object) -> Self:
        """The policy in a mapping such as YAML or JSON gives. Raises PolicyError naming the field."""
        return from_mapping(cls, value, "policy")

    def to_mapping(self) -> dict[str, Any]:
        """The fields that differ from the defaults; `from_mapping` reads them back. What only code can set is left out."""
        return to_mapping(self)
