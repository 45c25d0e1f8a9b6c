"""What an experiment showed, as tables and as JSON."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rich.table import Table

from .experiment import Finding
from .measures import METRICS
from .scenario import Published, Scenario
from .sizing import Need, Target
from .statistics import Interval

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

    def published(self) -> Iterator[tuple[Published, Interval]]:
        """What others measured, with our number for it, where we have one."""
        findings = {finding.contender: finding for finding in self.findings}
        for published in self.scenario.published:
            if published.contender in findings:
                yield published, findings[published.contender].metric(published.metric)


def result_table(report: Report) -> Table:
    """One row per contender."""
    table = Table(title=report.scenario.title, title_justify="left", caption=_caption(report), caption_justify="left")
    table.add_column("contender", no_wrap=True)
    for _, heading in report.columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for finding in report.findings:
        table.add_row(finding.contender, *(shown(finding.metric(name), name) for name, _ in report.columns))
    return table


def need_table(report: Report) -> Table:
    """How many pods each contender needs."""
    table = Table(title=f"Pods needed to hold {report.target}", title_justify="left")
    table.add_column("contender")
    table.add_column("pods", justify="right")
    for need in report.needs:
        table.add_row(
            need.contender, "more than eight times as many" if need.pods is None else shown(need.pods, "pods")
        )
    return table


def published_table(report: Report) -> Table:
    """Others' numbers beside ours."""
    table = Table(title="Published, and here", title_justify="left")
    for heading in ("contender", "metric", "published", "here", "source"):
        table.add_column(heading, justify="right" if heading in ("published", "here") else "left")
    for published, ours in report.published():
        metric = METRICS[published.metric]
        value = shown(Interval(published.value, math.nan), published.metric)
        table.add_row(published.contender, metric, value, shown(ours, published.metric), published.source)
    return table


def shown(value: Interval, metric: str) -> str:
    """A number with its interval, in as many digits as make sense."""
    scale, unit = (100.0, " %") if metric in _SHARES else (1.0, "")
    if math.isnan(value.value):
        return "–"
    middle = _digits(value.value * scale)
    # An interval that rounds away is not worth reading.
    width = _digits(value.half_width * scale, value.value * scale) if not math.isnan(value.half_width) else ""
    return f"{middle} ± {width}{unit}" if float(width or 0) else f"{middle}{unit}"


def as_json(report: Report) -> dict[str, Any]:
    """The same for programs. Intervals are 95 %; null where there is none."""
    return {
        "scenario": report.name,
        "title": report.scenario.title,
        "seeds": list(report.seeds),
        "contenders": [_contender_json(finding) for finding in report.findings],
        "published": [
            {"metric": p.metric, "contender": p.contender, "published": p.value, "here": _json(o), "source": p.source}
            for p, o in report.published()
        ],
        "target": None if report.target is None else {report.target.metric: report.target.milliseconds},
        "pods_needed": {need.contender: need.pods and _json(need.pods) for need in report.needs},
    }


def _contender_json(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.contender,
        "metrics": {name: _json(value) for name, value in finding.metrics.items()},
        "runs": [
            {
                "statuses": dict(run.statuses),
                "requests_per_pod": list(run.requests_per_pod),
                "utilisation_per_pod": [round(share, 4) for share in run.utilisation_per_pod],
            }
            for run in finding.runs
        ],
    }


def _json(value: Interval) -> dict[str, float | None]:
    return {"value": _number(value.value), "half_width": _number(value.half_width)}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _caption(report: Report) -> str:
    seeds = len(report.seeds)
    noun = "seed" if seeds == 1 else "seeds"
    interval = "; ± is the 95 % confidence interval over seeds" if seeds > 1 else ""
    return f"{seeds} {noun}, the same requests for all{interval}. {report.scenario.aim.strip()}"


def _digits(value: float, like: float | None = None) -> str:
    magnitude = abs(value if like is None else like)
    places = 0 if magnitude >= 100 else 1 if magnitude >= 10 else 2
    return f"{value:.{places}f}"
