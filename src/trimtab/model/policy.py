"""How one service is balanced."""

from dataclasses import dataclass
from typing import Any, Self

from ..errors import PolicyError
from .schema import from_mapping, in_range, to_mapping


@dataclass(frozen=True, slots=True)
class OutlierDetection:
    """When an endpoint that fails is left out for a while: fields and defaults of gRFC A50 and Envoy's outlier detection."""

    interval_s: float = 10.0
    base_ejection_time_s: float = 30.0
    max_ejection_time_s: float = 300.0
    max_ejection_percent: int = 10
    success_rate_stdev_factor: int = 1900
    """In thousandths of a standard deviation."""
    success_rate_minimum_hosts: int = 5
    success_rate_request_volume: int = 100
    failure_percentage_threshold: int = 85
    failure_percentage_minimum_hosts: int = 5
    failure_percentage_request_volume: int = 50
    consecutive_5xx: int = 5
    """Envoy only: gRPC knows no consecutive failures."""

    def __post_init__(self) -> None:
        path = "policy.outlier_detection"
        for name in ("interval_s", "base_ejection_time_s", "max_ejection_time_s"):
            in_range(f"{path}.{name}", getattr(self, name), 0.001, 315_576_000_000)
        for name in ("max_ejection_percent", "failure_percentage_threshold"):
            in_range(f"{path}.{name}", getattr(self, name), 0, 100)
        if self.max_ejection_time_s < self.base_ejection_time_s:
            raise PolicyError(f"{path}.max_ejection_time_s: expected at least base_ejection_time_s")


@dataclass(frozen=True, slots=True)
class Policy:
    """Balancing policy of one service. Raises PolicyError for a field out of range."""

    strategy: str = "p2c"
    """Which picker: a name from `trimtab.balance.strategies()`."""
    max_connections: int = 100
    """At most this many endpoints of the service are connected to by one channel; beyond it a stable subset is used."""
    connect_timeout_s: float = 5.0
    """How long an endpoint may take to accept a connection."""
    slow_start_s: float = 0.0
    """How long a new endpoint takes to reach its full share; 0: at once. Honoured by Envoy (`slow_start_window`)."""
    max_requests: int | None = None
    """Calls in flight to the service from one client beyond which calls fail at once; None: the client's default. Honoured by
    Envoy and stock gRPC (gRFC A32)."""
    outlier_detection: OutlierDetection | None = None
    """None: endpoints are not ejected. Honoured by Envoy and stock gRPC."""

    def __post_init__(self) -> None:
        if not self.strategy:
            raise PolicyError("policy.strategy: expected the name of a strategy, got an empty string")
        in_range("policy.max_connections", self.max_connections, 1)
        in_range("policy.connect_timeout_s", self.connect_timeout_s, 0.001, 3600)
        in_range("policy.slow_start_s", self.slow_start_s, 0, 86_400)
        if self.max_requests is not None:
            in_range("policy.max_requests", self.max_requests, 1, 2**32 - 1)

    @classmethod
    def from_mapping(cls, value: object) -> Self:
        """The policy in a mapping such as YAML or JSON gives. Raises PolicyError naming the field."""
        return from_mapping(cls, value, "policy")

    def to_mapping(self) -> dict[str, Any]:
        """The fields that differ from the defaults; `from_mapping` reads them back."""
        return to_mapping(self)
