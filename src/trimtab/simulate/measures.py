"""What one run showed, small enough to send between processes and to keep for every seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .deadlines import EXPIRED
from .pod import OK
from .scenario import Network
from .simulation import Run
from .statistics import Columns, Floats

_MS: Final = 1e3
_SECONDS_PER_MONTH: Final = 730 * 3600
_KILOBYTES_PER_GB: Final = 1e6
WINDOWS: Final = 60
"""Into how many parts the measured time is cut."""
PERCENTILES: Final = {"p50_ms": 50.0, "p90_ms": 90.0, "p99_ms": 99.0, "p999_ms": 99.9}


@dataclass(frozen=True, slots=True)
class Windows:
    """One number per part of the measured time. NaN where nothing was measured."""

    starts_s: Floats
    p50_ms: Floats
    p90_ms: Floats
    p99_ms: Floats
    error_share: Floats
    failed: NDArray[np.int64]
    """Requests that did not end well."""
    requests: NDArray[np.int64]
    """Per window and pod, by the time a request was sent."""
    pod_p90_ms: Floats
    """Per window and pod."""


@dataclass(frozen=True, slots=True)
class Measures:
    """One run in numbers. Latencies count from sending to answer or deadline; calls that failed otherwise are left out."""

    values: Mapping[str, float]
    """By the names of METRICS."""
    statuses: Mapping[str, int]
    requests_per_pod: Sequence[int]
    utilisation_per_pod: Sequence[float]
    started_s: Sequence[float]
    """When each pod started last, in measured time: negative for those that were there before."""
    ended_s: Sequence[float]
    """When each pod was told to stop or crashed; infinity for those that were there in the end."""
    windows: Windows

    @property
    def present(self) -> NDArray[np.bool_]:
        """Per window and pod, whether the pod was there to be sent something."""
        starts_s = self.windows.starts_s[:, np.newaxis]
        started_s, ended_s = np.array(self.started_s), np.array(self.ended_s)
        there: NDArray[np.bool_] = (started_s < starts_s + starts_s[1, 0]) & (ended_s > starts_s)
        return there


METRICS: Final[Mapping[str, str]] = {
    "requests": "requests",
    "mean_ms": "mean, ms",
    "p50_ms": "p50, ms",
    "p90_ms": "p90, ms",
    "p99_ms": "p99, ms",
    "p999_ms": "p99.9, ms",
    "p90_worst_over_median": "p90 over time, worst / median",
    "max_over_mean": "requests per pod, max/mean",
    "variation": "requests per pod, coefficient of variation",
    "utilisation_max_over_mean": "utilisation of pods, max/mean",
    "errors": "share of errors",
    "cross_zone": "share of cross-zone calls",
    "cross_zone_usd": "cross-zone traffic, USD a month",
}
"""What is measured, for people."""


def measure(run: Run, network: Network) -> Measures:
    """The numbers of a run."""
    columns = Columns.of(run.ledger, run.warm_up_s)
    waited = _waited(run, columns)
    latency_ms = columns.latency_s[waited] * _MS
    per_pod = np.bincount(columns.pod[columns.pod >= 0], minlength=len(run.pods))
    busy = np.array([pod.busy_s / (pod.concurrency * (run.warm_up_s + run.duration_s)) for pod in run.pods])
    cross = _cross_zone(run, columns)
    windows = _windows(run, columns, waited)
    values = {
        "requests": float(len(columns.started_s)),
        "mean_ms": float(np.mean(latency_ms)) if len(latency_ms) else float("nan"),
        **{name: _percentile(latency_ms, percent) for name, percent in PERCENTILES.items()},
        "p90_worst_over_median": _worst_over_median(windows.p90_ms),
        "max_over_mean": _max_over_mean(per_pod),
        "variation": float(np.std(per_pod) / np.mean(per_pod)) if per_pod.any() else float("nan"),
        "utilisation_max_over_mean": _max_over_mean(busy),
        "errors": float(np.mean(columns.status != 0)) if len(columns.status) else float("nan"),
        "cross_zone": cross,
        "cross_zone_usd": _usd_a_month(cross * len(columns.started_s) / run.duration_s, network),
    }
    counts = np.bincount(columns.status, minlength=len(run.ledger.statuses))
    statuses = {name: int(count) for name, count in zip(run.ledger.statuses, counts, strict=True) if count}
    started_s = [pod.started_s - run.warm_up_s for pod in run.pods]
    ended_s = [pod.ended_s - run.warm_up_s for pod in run.pods]
    return Measures(values, statuses, per_pod.tolist(), busy.tolist(), started_s, ended_s, windows)


def _waited(run: Run, columns: Columns) -> NDArray[np.bool_]:
    """Requests whose caller waited for an answer, had it or gave up: their latency is what users feel."""
    felt = [index for index, status in enumerate(run.ledger.statuses) if status in (OK, EXPIRED)]
    return np.isin(columns.status, felt)


def _cross_zone(run: Run, columns: Columns) -> float:
    sent = columns.pod >= 0
    if not sent.any():
        return 0.0
    index = {locality: number for number, locality in enumerate(run.ledger.localities)}
    zone_of_pod = np.array([index[pod.locality] for pod in run.pods])
    return float(np.mean(zone_of_pod[columns.pod[sent]] != columns.client[sent]))


def _usd_a_month(cross_per_s: float, network: Network) -> float:
    gigabytes_per_s = cross_per_s * network.kilobytes_per_request / _KILOBYTES_PER_GB
    return gigabytes_per_s * _SECONDS_PER_MONTH * network.usd_per_gb


def _windows(run: Run, columns: Columns, waited: NDArray[np.bool_]) -> Windows:
    width_s = run.duration_s / WINDOWS
    window = np.minimum((columns.started_s / width_s).astype(np.int64), WINDOWS - 1)
    pods = len(run.pods)
    sent = columns.pod >= 0
    requests = np.bincount(window[sent] * pods + columns.pod[sent], minlength=WINDOWS * pods).reshape(WINDOWS, pods)
    cell = window[waited] * pods + columns.pod[waited]
    latency_ms = columns.latency_s[waited] * _MS
    by_window = _grouped(window[waited], latency_ms, WINDOWS)
    failed = np.bincount(window, weights=columns.status != 0, minlength=WINDOWS)
    total = np.bincount(window, minlength=WINDOWS)
    pod_p90_ms = _percentiles(_grouped(cell, latency_ms, WINDOWS * pods), 90).reshape(WINDOWS, pods)
    return Windows(
        starts_s=np.linspace(0.0, run.duration_s, WINDOWS, endpoint=False),
        p50_ms=_percentiles(by_window, 50),
        p90_ms=_percentiles(by_window, 90),
        p99_ms=_percentiles(by_window, 99),
        failed=failed.astype(np.int64),
        error_share=np.divide(failed, total, out=np.full(WINDOWS, np.nan), where=total > 0),
        requests=requests,
        pod_p90_ms=pod_p90_ms,
    )


def _grouped(group: NDArray[np.signedinteger[Any]], values: Floats, groups: int) -> list[Floats]:
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(1, groups))
    return np.split(values[order], bounds)


def _percentiles(groups: Sequence[Floats], percent: float) -> Floats:
    return np.array([_percentile(values, percent) for values in groups], dtype=np.float64)


def _percentile(values: Floats, percent: float) -> float:
    return float(np.percentile(values, percent)) if len(values) else float("nan")


def _worst_over_median(windows: Floats) -> float:
    """How steady it is: 1 if it is the same all the time."""
    seen = windows[np.isfinite(windows)]
    return float(np.max(seen) / np.median(seen)) if len(seen) and np.median(seen) else float("nan")


def _max_over_mean(per_pod: NDArray[np.int64] | Floats) -> float:
    mean = float(np.mean(per_pod))
    return float(np.max(per_pod)) / mean if mean else float("nan")
