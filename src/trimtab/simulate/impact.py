"""The impact page: several scenarios, one table each, and where another contender was better.

    python -m trimtab.simulate.impact docs/impact.md docs/figures

What it says is computed from the runs, the last section included: nobody has to remember to write down a loss.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import experiment, sizing
from .charts import charts
from .experiment import Finding
from .report import Report, shown
from .scenario import Contestant
from .scenario_file import load
from .sizing import Target
from .statistics import Interval

SEEDS: Final = (1, 2, 3, 4, 5)
_PICTURED: Final = ("Latency over time",)
_NOT_FOR_SALE: Final = ("shortest-queue",)
"""A bound, which nobody can deploy."""
_HEADINGS: Final = ("p50 ms", "p90 ms", "p99 ms", "requests max/mean", "utilisation max/mean", "errors")
_METRICS: Final = ("p50_ms", "p90_ms", "p99_ms", "max_over_mean", "utilisation_max_over_mean", "errors")
_COMPARED: Final = {"p90_ms": "p90", "p99_ms": "p99", "errors": "errors"}


@dataclass(frozen=True, slots=True)
class Subject:
    """A scenario of the page."""

    name: str
    hold: str | None = None
    """Also solve for the pods that hold this."""


SUBJECTS: Final = (
    Subject("pinned-connections", "p99=250"),
    Subject("slow-pod", "p99=500"),
    Subject("rolling-deploy", "p99=300"),
    Subject("dropbox-hardware"),
    Subject("finagle-failures"),
    Subject("prequal-cpu"),
)


def report(subject: Subject, seeds: Sequence[int], processes: int | None = None) -> Report:
    """Play a subject."""
    scenario = load(subject.name)
    contestants = [c for c in scenario.contenders if c not in _NOT_FOR_SALE]
    findings = experiment.run(scenario, contestants, seeds, processes=processes)
    if subject.hold is None:
        return Report(subject.name, scenario, seeds, findings)
    target = Target.parse(subject.hold)
    return Report(
        subject.name,
        scenario,
        seeds,
        findings,
        target,
        sizing.solve(scenario, contestants, target, seeds, processes=processes),
    )


def page(reports: Sequence[Report], pictures: str) -> str:
    """The page in Markdown; `pictures` is where the figures are, relative to it."""
    return "\n".join(_page(reports, pictures)) + "\n"


def is_ours(finding: Finding, contestants: Sequence[str | Contestant]) -> bool:
    """Whether a contender is a strategy of Trimtab that takes load into account."""
    policies = [c.name for c in contestants if isinstance(c, Contestant) and c.use is None]
    return finding.contender.startswith("p2c") or finding.contender in policies


def losses(report: Report) -> Iterator[str]:
    """What somebody else did better than the best of ours, beyond what the confidence intervals allow."""
    ours = [finding for finding in report.findings if is_ours(finding, report.scenario.contenders)]
    others = [finding for finding in report.findings if finding not in ours]
    for metric, name in _COMPARED.items():
        best = min((finding.metric(metric) for finding in ours), key=lambda value: value.value)
        for other in others:
            theirs = other.metric(metric)
            if _clearly_less(theirs, best):
                yield (
                    f"{report.scenario.title}: {other.contender} has {name} {shown(theirs, metric)}, "
                    f"the best of ours {shown(best, metric)}."
                )


def _clearly_less(one: Interval, other: Interval) -> bool:
    return one.value + one.half_width < other.value - other.half_width


def _page(reports: Sequence[Report], pictures: str) -> Iterator[str]:
    yield "# Impact"
    yield ""
    yield "What a fleet gains, and what it does not, by choosing an endpoint for every request. Made by `make impact`: scenarios that come"
    yield "with Trimtab, played in virtual time with the balancing code of this version ([how](simulator.md)). Each number is a mean over"
    yield f"{len(reports[0].seeds)} seeds ± half of its 95 % confidence interval; all contenders of a table had the same requests."
    for each in reports:
        yield from _section(each, pictures)
    yield from ("", "## Where Trimtab does not win", "")
    lost = [loss for each in reports for loss in losses(each)]
    yield from (f"- {loss}" for loss in lost) if lost else ("- Nowhere in these scenarios, beyond the intervals.",)
    yield from (
        "",
        "Not in the tables, because nobody can deploy it: a client that sees every queue would still be far better than any.",
    )


def _section(report: Report, pictures: str) -> Iterator[str]:
    yield from ("", f"## {report.scenario.title}", "", report.scenario.about.strip(), "")
    needed = {need.contender: need.pods for need in report.needs}
    headings = ["", *_HEADINGS, *([f"pods for {report.target}"] if needed else [])]
    yield "| " + " | ".join(headings) + " |"
    yield "|---|" + "--:|" * (len(headings) - 1)
    for finding in report.findings:
        cells = [shown(finding.metric(metric), metric) for metric in _METRICS]
        if needed:
            pods = needed[finding.contender]
            cells.append("more than 8×" if pods is None else shown(pods, "pods"))
        yield f"| {finding.contender} | " + " | ".join(cells) + " |"
    yield from ("", f"![Latency over time]({pictures}/{report.name}.svg)")


def main(page_file: Path, folder: Path) -> None:
    """Play everything and write page and figures."""
    reports = []
    for subject in SUBJECTS:
        sys.stderr.write(f"{subject.name}\n")
        reports.append(report(subject, SEEDS))
    for each in reports:
        pictures = {title: svg for title, _, svg in charts(each) if title in _PICTURED}
        for svg in pictures.values():
            (folder / f"{each.name}.svg").write_text('<?xml version="1.0" encoding="utf-8"?>\n' + svg, "utf-8")
    page_file.write_text(page(reports, folder.name), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
