"""A report for programs."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .aftermath import Aftermath
from .experiment import Finding
from .measures import Measures
from .report import Report
from .statistics import Interval


def as_json(report: Report) -> dict[str, Any]:
    """One object. Intervals are 95 %; null where there is nothing to say."""
    return {
        "scenario": report.name,
        "title": report.scenario.title,
        "about": report.scenario.about,
        "seeds": list(report.seeds),
        "contenders": [_contender(finding) for finding in report.findings],
        "events": [_aftermath(after) for after in report.aftermaths],
        "published": [
            {
                "metric": published.metric,
                "contender": published.contender,
                "than": published.than,
                "published": published.value,
                "here": _interval(ours),
                "source": published.source,
            }
            for published, ours in report.published()
        ],
        "target": None if report.target is None else {report.target.metric: report.target.milliseconds},
        "pods_needed": {need.contender: need.pods and _interval(need.pods) for need in report.needs},
    }


def _contender(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.contender,
        "metrics": {name: _interval(value) for name, value in finding.metrics.items()},
        "runs": [_run(run) for run in finding.runs],
    }


def _run(run: Measures) -> dict[str, Any]:
    windows = run.windows
    return {
        "statuses": dict(run.statuses),
        "requests_per_pod": list(run.requests_per_pod),
        "utilisation_per_pod": [round(share, 4) for share in run.utilisation_per_pod],
        "over_time": {
            "starts_s": _numbers(windows.starts_s),
            "p50_ms": _numbers(windows.p50_ms),
            "p90_ms": _numbers(windows.p90_ms),
            "p99_ms": _numbers(windows.p99_ms),
            "failed": windows.failed.tolist(),
            "requests_per_pod": windows.requests.tolist(),
            "p90_ms_per_pod": [_numbers(row) for row in windows.pod_p90_ms],
        },
    }


def _aftermath(after: Aftermath) -> dict[str, Any]:
    return {
        "at_s": after.at_s,
        "what": after.what,
        "contender": after.contender,
        "p99_before_ms": _interval(after.p99_before_ms),
        "p99_worst_ms": _interval(after.p99_worst_ms),
        "calm_after_s": _interval(after.calm_after_s),
        "failed": _interval(after.failed),
        "in_use_after_s": _interval(after.in_use_after_s),
    }


def _interval(value: Interval) -> dict[str, float | None]:
    return {"value": _number(value.value), "half_width": _number(value.half_width)}


def _numbers(values: Iterable[float]) -> list[float | None]:
    return [_number(float(np.round(value, 3))) for value in values]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
