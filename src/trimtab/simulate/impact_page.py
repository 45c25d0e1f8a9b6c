"""The words and tables of the impact page, in Markdown."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from .experiment import Finding
from .report import Report, shown
from .scenario import Contestant
from .sizing import Need
from .statistics import Interval, interval

_COLUMNS: Final = {
    "max_over_mean": "requests per pod, max/mean",
    "variation": "CV",
    "utilisation_max_over_mean": "utilisation, max/mean",
    "p50_ms": "p50 ms",
    "p90_ms": "p90 ms",
    "p90_worst_over_median": "p90 over time, worst/median",
    "p99_ms": "p99 ms",
    "errors": "errors",
}
_ZONE_COLUMNS: Final = {"cross_zone": "cross-zone", "cross_zone_usd": "USD a month"}
_COMPARED: Final = {"p90_ms": "p90", "p99_ms": "p99", "errors": "errors"}
_NEAR: Final = 0.05
"""Latencies that differ by no more are as good as each other."""
_NEAR_SHARES: Final = {"errors": 0.001, "cross_zone": 0.01}
_OURS: Final = "p2c"
"""What a service gets that asks for nothing."""


def page(reports: Sequence[Report], pictures: str) -> str:
    """The page; `pictures` is where the figures are, relative to it."""
    return "\n".join(_page(reports, pictures)) + "\n"


def is_ours(finding: Finding, contestants: Sequence[str | Contestant]) -> bool:
    """Whether a contender is a strategy of Trimtab that takes load into account."""
    policies = [c.name for c in contestants if isinstance(c, Contestant) and c.use is None]
    return finding.contender.startswith(_OURS) or finding.contender in policies


def losses(report: Report) -> Iterator[str]:
    """What somebody else did better than our default, beyond what the intervals allow, and whether another policy helps."""
    default = _default(report)
    ours = [finding for finding in report.findings if is_ours(finding, report.scenario.contenders)]
    for metric, name in _COMPARED.items():
        best = min(ours, key=lambda finding: finding.metric(metric).value)
        for other in _others(report):
            if _clearly_less(other, default, metric):
                helped = _clearly_less(best, default, metric)
                yield (
                    f"{report.scenario.title}: {other.contender} has {name} {shown(other.metric(metric), metric)}, "
                    f"{default.contender} {shown(default.metric(metric), metric)}"
                    + (f", {best.contender} {shown(best.metric(metric), metric)}." if helped else ".")
                )
    yield from _more_pods(report, default, ours)


def _more_pods(report: Report, default: Finding, ours: Sequence[Finding]) -> Iterator[str]:
    needs = {need.contender: need for need in report.needs if need.pods is not None}
    if default.contender not in needs:
        return
    mine = [finding.contender for finding in ours]
    best = min((need for name, need in needs.items() if name in mine), key=lambda need: _pods(need).value)
    for name, need in needs.items():
        if name not in mine and _fewer(need, needs[default.contender]):
            yield (
                f"{report.scenario.title}: {name} holds {report.target} with {shown(_pods(need), 'pods')} pods, "
                f"{default.contender} with {shown(_pods(needs[default.contender]), 'pods')}"
                + (
                    f", {best.contender} with {shown(_pods(best), 'pods')}."
                    if best.contender != default.contender
                    else "."
                )
            )


def _pods(need: Need) -> Interval:
    assert need.pods is not None
    return need.pods


def _fewer(one: Need, other: Need) -> bool:
    difference = interval(np.array(other.by_seed, dtype=float) - np.array(one.by_seed, dtype=float))
    return difference.value > difference.half_width


def ties(report: Report) -> Iterator[str]:
    """Whoever is as good as our default: p90, p99, errors and cross-zone calls are certainly within a few percent of its."""
    default = _default(report)
    for other in _others(report):
        if all(_alike(default, other, metric) for metric in (*_COMPARED, "cross_zone")):
            p99s = f"p99 {shown(other.metric('p99_ms'), 'p99_ms')} and {shown(default.metric('p99_ms'), 'p99_ms')}"
            yield f"{report.scenario.title}: {other.contender} is as good as {default.contender} ({p99s} ms)."


def _alike(one: Finding, other: Finding, metric: str) -> bool:
    difference = interval(other.by_seed(metric) - one.by_seed(metric))
    near = _NEAR_SHARES.get(metric) or _NEAR * one.metric(metric).value
    return abs(difference.value) + difference.half_width <= near


def _default(report: Report) -> Finding:
    ours = [finding for finding in report.findings if is_ours(finding, report.scenario.contenders)]
    return next((finding for finding in ours if finding.contender == _OURS), ours[0])


def _others(report: Report) -> Sequence[Finding]:
    return [finding for finding in report.findings if not is_ours(finding, report.scenario.contenders)]


def _clearly_less(one: Finding, other: Finding, metric: str) -> bool:
    """By the interval of the differences seed by seed: contenders of one seed had the same requests."""
    difference = interval(other.by_seed(metric) - one.by_seed(metric))
    return difference.value > (difference.half_width if difference.half_width == difference.half_width else 0.0)


def _page(reports: Sequence[Report], pictures: str) -> Iterator[str]:
    seeds = len(reports[0].seeds)
    yield f"""# Impact

What a fleet gains, and what it does not, by choosing an endpoint for every request. Made by `make impact`: scenarios that come
with Trimtab, played in virtual time with the balancing code of this version ([how](simulator.md)). Each number is a mean over
{seeds} seeds ± half of its 95 % confidence interval; all contenders of a table had the same requests. `p2c` is Trimtab as it comes,
`headless-dns` gRPC's round robin, `envoy-least-request` Envoy's power of two choices. In the pictures over time thick lines are p99, with the
range over the seeds, and thin ones p50."""
    yield from _summary([report for report in reports if report.needs])
    for report in reports:
        yield from _section(report, pictures)
    yield from ("", "## Where Trimtab does not win", "")
    lost = [loss for report in reports for loss in losses(report)]
    yield from (
        (f"- {loss}" for loss in lost) if lost else ("- Nobody was better in these scenarios, beyond the intervals.",)
    )
    tied = [tie for report in reports for tie in ties(report)]
    if tied:
        yield from ("", f"And there is nothing to gain by it (within {_NEAR:.0%}):", "", *(f"- {tie}" for tie in tied))
    yield """
Better or not is decided seed by seed: the interval of the differences must be on one side of zero. Against round robin the gain is in pods that differ
(slow, cold, failing, of another generation) and in requests that differ; where all are alike and requests are many, taking turns is as good, for few clients
better. With more clients than pods, each of which knows only its own calls, two choices know little. And `p2c` as it comes counts calls, which sees a slow pod
only by its queue: `p2c by latency` (`load: peak_ewma`) and slow start are there for fleets that differ or start cold. kube-proxy is at its worst with few
connections per pod, as most of these scenarios have; with many of them it comes near to chance. A client that sees every queue would be far better than any of
these; nobody can deploy one, so it is not in the tables."""


def _summary(reports: Sequence[Report]) -> Iterator[str]:
    if not reports:
        return
    yield from ("", "## Pods needed at equal p99", "")
    yield "Each load is played on ever fewer pods until its p99 is missed. In brackets: relative to `p2c`, seed by seed."
    yield ""
    names = list(dict.fromkeys(need.contender for report in reports for need in report.needs))
    yield "| load | " + " | ".join(names) + " |"
    yield "|---|" + "--:|" * len(names)
    for report in reports:
        needs = {need.contender: need for need in report.needs}
        cells = [_need(needs.get(name), needs.get(_OURS)) for name in names]
        yield f"| {report.scenario.title}, {report.target} | " + " | ".join(cells) + " |"


def _need(need: Need | None, ours: Need | None) -> str:
    if need is None:
        return ""
    if need.pods is None:
        return "more than 8×" if all(pods is None for pods in need.by_seed) else "more than 8× in some runs"
    if ours is None or ours.pods is None or need is ours:
        return shown(need.pods, "pods")
    ratio = interval(np.array(need.by_seed, dtype=float) / np.array(ours.by_seed, dtype=float))
    return f"{shown(need.pods, 'pods')} ({_times(ratio)})"


def _times(ratio: Interval) -> str:
    return f"{shown(ratio, 'ratio')}×"


def _section(report: Report, pictures: str) -> Iterator[str]:
    yield from ("", f"## {report.scenario.title}", "", report.scenario.about.strip(), "")
    zoned = any(group.zones for group in report.scenario.pods)
    columns = _COLUMNS | (_ZONE_COLUMNS if zoned else {})
    yield "| " + " | ".join(("", *columns.values())) + " |"
    yield "|---|" + "--:|" * len(columns)
    for finding in report.findings:
        cells = [shown(finding.metric(metric), metric) for metric in columns]
        yield f"| {finding.contender} | " + " | ".join(cells) + " |"
    yield ""
    for title in pictured(report):
        yield f"![{title}]({pictures}/{picture(report, title)})"


def pictured(report: Report) -> Sequence[str]:
    """Titles of the charts that the page shows of a report."""
    over_time = ("Requests per pod over time",) if report.scenario.events else ()
    return ("Latency over time", "Requests per pod", *over_time, *(("Pods needed",) if report.needs else ()))


def picture(report: Report, title: str) -> str:
    """Name of the file with a chart."""
    return f"{report.name}-{title.lower().replace(' ', '-')}.svg"
