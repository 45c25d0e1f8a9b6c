"""How one contender did, as numbers."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from .client_plan import Sample
from .scenario import Scenario

_LATE_S: Final = 0.020


def percentile(values: Sequence[float], q: float) -> float:
    """The nearest-rank percentile of ascending `values`, 0 < q <= 100; 0 if there are none."""
    if not values:
        return 0.0
    return values[max(0, math.ceil(len(values) * q / 100) - 1)]


def max_over_mean(counts: Iterable[int]) -> float:
    """How much more than its fair share the busiest has; 0 if nobody has anything."""
    everyone = list(counts)
    total = sum(everyone)
    return max(everyone) * len(everyone) / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles in milliseconds, from the intended start. Failed requests count with the time until they failed."""

    p50_ms: float
    p90_ms: float
    p99_ms: float

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> "Latency":
        values = sorted(sample.latency_s * 1000 for sample in samples)
        return cls(*(percentile(values, q) for q in (50, 90, 99)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured of one contender in one scenario."""

    contender: str
    scenario: Scenario
    duration_s: float
    samples: Sequence[Sample]
    received: Mapping[str, int]
    """Requests that arrived at each pod, by `address:port`, those that joined later included."""
    received_before: Mapping[str, int]
    """The same, up to the scenario's event."""
    new_endpoint_first_request_s: float | None
    """From the change of the manifests until *every* new pod has answered a request; None if one never did."""
    replaced: int = 0
    """How many pods were replaced by the end of the load."""
    latency: Latency = field(init=False)
    before: Latency = field(init=False)
    """Of the requests before the scenario's event."""
    after: Latency = field(init=False)
    """Of the requests from the event on."""

    def __post_init__(self) -> None:
        middle = self.scenario.event_at_s(self.duration_s)
        phases = {
            "latency": self.samples,
            "before": [sample for sample in self.samples if sample.at_s < middle],
            "after": [sample for sample in self.samples if sample.at_s >= middle],
        }
        for name, samples in phases.items():
            object.__setattr__(self, name, Latency.of(samples))

    @property
    def errors(self) -> Counter[str]:
        """Failed requests by gRPC status code."""
        return Counter(sample.code for sample in self.samples if sample.code != "OK")

    @property
    def max_over_mean(self) -> float:
        return max_over_mean(self.received.values())

    @property
    def late_s(self) -> float:
        """How late the generators themselves were for 1 % of the requests: time that no pod is to blame for."""
        return percentile(sorted(sample.late_s for sample in self.samples), 99)

    @property
    def machine_was_too_busy(self) -> bool:
        return self.late_s > _LATE_S

    def share_after(self, pods: int) -> float:
        """Which part of the requests from the event on went to the first `pods` pods."""
        after = [count - self.received_before[pod] for pod, count in self.received.items()]
        return sum(after[:pods]) / max(1, sum(after))


def windows(samples: Iterable[Sample], width_s: float, q: float) -> list[tuple[float, float]]:
    """The q-th percentile of latency in ms over time: (middle of the window in s, percentile) per window with samples."""
    by_window: dict[int, list[float]] = {}
    for sample in samples:
        by_window.setdefault(int(sample.at_s / width_s), []).append(sample.latency_s * 1000)
    return [((i + 0.5) * width_s, percentile(sorted(by_window[i]), q)) for i in sorted(by_window)]
