"""The parts of a policy: one effect or strategy each, with its own fields and defaults."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import PolicyError
from .schema import CODE_ONLY, check_fields, in_range

GRPC_STATUSES = (
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)


@dataclass(frozen=True, slots=True)
class SuccessRate:
    """How failed calls push traffic away from an endpoint, and let it come back."""

    failures: tuple[str, ...] = (
        "UNKNOWN",
        "DEADLINE_EXCEEDED",
        "RESOURCE_EXHAUSTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "429",
        "5xx",
    )
    """What counts against the endpoint: gRPC codes, HTTP statuses, `5xx` for a class of them. What a caller does wrong, such as
    INVALID_ARGUMENT, is an answer and counts for it; CANCELLED says nothing about it."""
    step: float = 0.1
    """Weight of the newest call in the moving average; a failure in a row weighs more than the one before it."""
    floor: float = 0.01
    """The least share, relative to a full one, that keeps an endpoint probed however it fails."""
    recovery_s: float = 30.0
    """Time constant in which failures are forgotten. An endpoint that is taken to be down, because too many calls in a row failed for
    chance, comes from the floor to a full share in twice that time, if it is not called, and at once when it answers."""

    def __post_init__(self) -> None:
        path = "policy.success_rate"
        check_fields(self, path)
        in_range(f"{path}.step", self.step, 0.001, 0.5)
        in_range(f"{path}.floor", self.floor, 0.0001, 1)
        in_range(f"{path}.recovery_s", self.recovery_s, 0.1, 86_400)
        for failure in self.failures:
            if failure not in GRPC_STATUSES and not _is_http_status(failure):
                raise PolicyError(
                    f"{path}.failures: {failure!r} is neither a gRPC status code, such as UNAVAILABLE, "
                    "nor an HTTP status, such as 503 or 5xx"
                )


def _is_http_status(text: str) -> bool:
    return len(text) == 3 and text[0] in "12345" and (text[1:] == "xx" or text[1:].isdigit())


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
    """Failures in a row; not known to stock gRPC."""

    def __post_init__(self) -> None:
        path = "policy.outlier_detection"
        check_fields(self, path)
        for name in ("interval_s", "base_ejection_time_s", "max_ejection_time_s"):
            in_range(f"{path}.{name}", getattr(self, name), 0.001, 315_576_000_000)
        for name in ("max_ejection_percent", "failure_percentage_threshold"):
            in_range(f"{path}.{name}", getattr(self, name), 0, 100)
        for name in (
            "success_rate_stdev_factor",
            "success_rate_minimum_hosts",
            "success_rate_request_volume",
            "failure_percentage_minimum_hosts",
            "failure_percentage_request_volume",
            "consecutive_5xx",
        ):
            in_range(f"{path}.{name}", getattr(self, name), 0, 2**32 - 1)
        if self.max_ejection_time_s < self.base_ejection_time_s:
            raise PolicyError(f"{path}.max_ejection_time_s: expected at least base_ejection_time_s")


@dataclass(frozen=True, slots=True)
class WeightedRoundRobin:
    """How load reports become weights: fields and defaults of gRFC A58."""

    blackout_s: float = 10.0
    """How long reports must have come before they count; until then they count where they ask for less than the mean."""
    expiration_s: float = 180.0
    """How long the last report counts."""
    update_s: float = 1.0
    """How often weights are taken over, those of all endpoints at once; at least 0.1."""
    error_utilization_penalty: float = 1.0
    """What errors per request add to the utilization."""

    def __post_init__(self) -> None:
        path = "policy.weighted_round_robin"
        check_fields(self, path)
        in_range(f"{path}.blackout_s", self.blackout_s, 0, 86_400)
        in_range(f"{path}.expiration_s", self.expiration_s, 0.1, 86_400)
        in_range(f"{path}.update_s", self.update_s, 0.1, 86_400)
        in_range(f"{path}.error_utilization_penalty", self.error_utilization_penalty, 0, 1_000_000)


@dataclass(frozen=True, slots=True)
class ConsistentHash:
    """What requests are hashed by, and how much an endpoint may take above the average."""

    metadata: str = ""
    """The request metadata key, or HTTP header, to hash by; it takes precedence over the attribute."""
    attribute: str = "hash_key"
    """The attribute of `trimtab.attributes` to hash by."""
    bound: float = 1.25
    """Most load of an endpoint relative to the average, weights considered (Mirrokni et al., 2016)."""
    key: Callable[[Any], object] | None = field(default=None, metadata=CODE_ONLY)
    """What to hash by, from the `trimtab.balance.Request`; only in code, before all others."""

    def __post_init__(self) -> None:
        check_fields(self, "policy.consistent_hash")
        in_range("policy.consistent_hash.bound", self.bound, 1, 1000)
