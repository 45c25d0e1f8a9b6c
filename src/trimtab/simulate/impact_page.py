"""The words and tables of the impact page, in Markdown."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from .experiment import Finding
from .report import Report, shown
from .scenario import Contestant
from .sizing import Need
from .statistics import Interval, interval

_HEADINGS: Final = (
    "requests per pod, max/mean",
    "CV",
    "utilisation, max/mean",
    "p50 ms",
    "p90 ms",
    "p90 over time, worst/median",
    "p99 ms",
    "errors",
)
_METRICS: Final = (
    "max_over_mean",
    "variation",
    "utilisation_max_over_mean",
    "p50_ms",
    "p90_ms",
    "p90_worst_over_median",
    "p99_ms",
    "errors",
)
_COMPARED: Final = {"p90_ms": "p90", "p99_ms": "p99", "errors": "errors"}
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


def ties(report: Report) -> Iterator[str]:
    """Whoever cannot be told from our default by p90, p99 and errors."""
    default = _default(report)
    for other in _others(report):
        if not any(_clearly_less(default, other, m) or _clearly_less(other, default, m) for m in _COMPARED):
            p99s = f"p99 {shown(other.metric('p99_ms'), 'p99_ms')} and {shown(default.metric('p99_ms'), 'p99_ms')}"
            yield f"{report.scenario.title}: {other.contender} and {default.contender} cannot be told apart ({p99s} ms)."


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
`headless-dns` gRPC's round robin, `envoy-least-request` Envoy's power of two choices."""
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
        yield from ("", "Nothing to gain by it, as far as these runs can tell:", "", *(f"- {tie}" for tie in tied))
    yield """
Better or not is decided seed by seed: the interval of the differences must be on one side of zero. Against round robin the gain is in pods
that differ (slow, cold, of another generation) and in requests that differ; where all are alike and requests are many, taking turns is as good. And with more
clients than pods, each of which knows only its own calls, two choices know little. A client that sees every queue would be far better than any of these;
nobody can deploy one, so it is not in the tables."""


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
    yield "| " + " | ".join(("", *_HEADINGS)) + " |"
    yield "|---|" + "--:|" * len(_HEADINGS)
    for finding in report.findings:
        cells = [shown(finding.metric(metric), metric) for metric in _METRICS]
        yield f"| {finding.contender} | " + " | ".join(cells) + " |"
    yield from ("", f"![Latency over time]({pictures}/{report.name}-latency-over-time.svg)")
    yield f"![Requests per pod]({pictures}/{report.name}-requests-per-pod.svg)"
    if report.needs:
        yield f"![Pods needed]({pictures}/{report.name}-pods-needed.svg)"
