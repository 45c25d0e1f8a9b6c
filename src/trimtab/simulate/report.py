"""What an experiment showed."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from .aftermath import Aftermath, aftermaths
from .experiment import Finding
from .measures import METRICS
from .scenario import Published, Scenario
from .sizing import Need, Target
from .statistics import Floats, Interval, interval

_SHARES: Final = ("errors", "cross_zone")
_COLUMNS: Final = (
    ("mean_ms", "mean ms"),
    ("p50_ms", "p50 ms"),
    ("p90_ms", "p90 ms"),
    ("p99_ms", "p99 ms"),
    ("p999_ms", "p99.9 ms"),
    ("max_over_mean", "requests\nmax/mean"),
    ("variation", "requests\nCV"),
    ("utilisation_max_over_mean", "utilisation\nmax/mean"),
    ("errors", "errors"),
)
_ZONE_COLUMNS: Final = (("cross_zone", "cross-zone"), ("cross_zone_usd", "USD a\nmonth"))


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found out about one scenario."""

    name: str
    scenario: Scenario
    seeds: Sequence[int]
    findings: Sequence[Finding]
    target: Target | None = None
    needs: Sequence[Need] = field(default=())

    @property
    def columns(self) -> Sequence[tuple[str, str]]:
        """Metrics worth a column, with their headings."""
        zoned = any(group.zones for group in self.scenario.pods)
        return (*_COLUMNS, *(_ZONE_COLUMNS if zoned else ()))

    @property
    def aftermaths(self) -> Sequence[Aftermath]:
        """What followed each event."""
        return list(aftermaths(self.scenario, self.findings))

    def published(self) -> Iterator[tuple[Published, Interval]]:
        """What others measured, with our number for it, where we have one."""
        for published in self.scenario.published:
            ours = self._by_seed(published.metric, published.contender)
            if published.than is not None and ours is not None:
                other = self._by_seed(published.metric, published.than)
                # Seed by seed: contenders of one seed had the same requests.
                ours = None if other is None else ours / other
            if ours is not None:
                yield published, interval(ours)

    def _by_seed(self, metric: str, contender: str) -> Floats | None:
        if metric == "pods_needed":
            need = next((need for need in self.needs if need.contender == contender), None)
            known = [] if need is None else [pods for pods in need.by_seed if pods is not None]
            return np.array(known, dtype=float) if need and len(known) == len(need.by_seed) else None
        finding = next((finding for finding in self.findings if finding.contender == contender), None)
        return None if finding is None else finding.by_seed(metric)


def measured(published: Published) -> str:
    """What a published number is about, in words."""
    metric = "pods needed" if published.metric == "pods_needed" else METRICS[published.metric]
    return metric if published.than is None else f"{metric}, relative to {published.than}"


def unit_of(published: Published) -> str:
    """How to show a published number: as its metric, or as a plain ratio."""
    return published.metric if published.than is None else "ratio"


def shown(value: Interval, metric: str) -> str:
    """A number with its interval, in as many digits as make sense."""
    scale, unit = (100.0, " %") if metric in _SHARES else (1.0, "")
    if math.isnan(value.value):
        return "–"
    middle = _digits(value.value * scale)
    # An interval that rounds away is not worth reading.
    width = _digits(value.half_width * scale, value.value * scale) if not math.isnan(value.half_width) else ""
    return f"{middle} ± {width}{unit}" if float(width or 0) else f"{middle}{unit}"


def _digits(value: float, like: float | None = None) -> str:
    magnitude = abs(value if like is None else like)
    places = 0 if magnitude >= 100 else 1 if magnitude >= 10 else 2
    return f"{value:.{places}f}"
