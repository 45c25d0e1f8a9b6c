"""How loaded a server says it is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


def _nothing() -> Mapping[str, float]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What `xds.data.orca.v3.OrcaLoadReport` says; 0 and an absent metric mean the server does not say (gRFC A51)."""

    application_utilization: float = 0.0
    """How busy the server is by its own reckoning; 1 is full, above 1 is overload."""
    cpu_utilization: float = 0.0
    memory_utilization: float = 0.0
    requests_per_s: float = 0.0
    errors_per_s: float = 0.0
    utilization: Mapping[str, float] = field(default_factory=_nothing)
    """Of named resources, 0 to 1."""
    request_cost: Mapping[str, float] = field(default_factory=_nothing)
    """What this one request cost; only in reports per request."""
    named_metrics: Mapping[str, float] = field(default_factory=_nothing)
    """Whatever else the application measures."""

    def weight(self, error_penalty: float = 1.0) -> float | None:
        """How much this server should get relative to others: requests per second over utilisation; None: it cannot tell.

        The formula of gRFC A58, in which each failed request counts as `error_penalty` of utilisation.
        """
        utilization = self.application_utilization or self.cpu_utilization
        if not (utilization > 0 and self.requests_per_s > 0):
            return None
        penalty = self.errors_per_s / self.requests_per_s * error_penalty if self.errors_per_s > 0 else 0.0
        weight = self.requests_per_s / (utilization + max(0.0, penalty))
        return weight if math.isfinite(weight) and weight > 0 else None
