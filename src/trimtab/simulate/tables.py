"""A report as tables for a terminal."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.table import Table

from .aftermath import CALM, CARRIED
from .report import Report, measured, shown, unit_of
from .statistics import Interval


def tables(report: Report) -> Iterator[Table]:
    """Every table that has something to show."""
    yield _results(report)
    if report.scenario.events:
        yield _aftermaths(report)
    if any(True for _ in report.published()):
        yield _published(report)
    if report.needs:
        yield _needs(report)


def _results(report: Report) -> Table:
    table = Table(title=report.scenario.title, title_justify="left", caption=_caption(report), caption_justify="left")
    table.add_column("contender", no_wrap=True)
    for _, heading in report.columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for finding in report.findings:
        table.add_row(finding.contender, *(shown(finding.metric(name), name) for name, _ in report.columns))
    return table


AFTERMATH_HEADINGS = ("p99 before, ms", "worst p99, ms", "calm after, s", "failed", "new pods in use after, s")
AFTERMATH_READING = (
    f"From each event to the next. Calm: p99 is at most {CALM:g} times what it was before, and stays so. In use: a new pod has "
    f"{CARRIED:.0%} of an even share of the requests. –: that did not come, or there is no such pod."
)


def aftermath_rows(report: Report) -> Iterator[tuple[str, Sequence[Sequence[str]]]]:
    """For each event its name, and a row of texts for each contender."""
    for (at_s, what), group in groupby(report.aftermaths, lambda after: (after.at_s, after.what)):
        rows = [
            (
                after.contender,
                shown(after.p99_before_ms, "p99_ms"),
                shown(after.p99_worst_ms, "p99_ms"),
                shown(after.calm_after_s, "s"),
                shown(after.failed, "requests"),
                shown(after.in_use_after_s, "s"),
            )
            for after in group
        ]
        yield f"{at_s:g} s: {what}", rows


def _aftermaths(report: Report) -> Table:
    table = Table(title="Time lines", title_justify="left", caption=AFTERMATH_READING, caption_justify="left")
    table.add_column("event")
    table.add_column("contender", no_wrap=True)
    for heading in AFTERMATH_HEADINGS:
        table.add_column(heading, justify="right")
    for event, rows in aftermath_rows(report):
        for number, row in enumerate(rows):
            table.add_row("" if number else event, *row, end_section=number == len(rows) - 1)
    return table


def _needs(report: Report) -> Table:
    table = Table(title=f"Pods needed to hold {report.target}", title_justify="left")
    table.add_column("contender")
    table.add_column("pods", justify="right")
    for need in report.needs:
        table.add_row(
            need.contender, "more than eight times as many" if need.pods is None else shown(need.pods, "pods")
        )
    return table


def _published(report: Report) -> Table:
    table = Table(title="Published, and here", title_justify="left")
    for heading in ("contender", "metric", "published", "here", "source"):
        table.add_column(heading, justify="right" if heading in ("published", "here") else "left")
    for published, ours in report.published():
        value = shown(Interval(published.value, math.nan), unit_of(published))
        here = shown(ours, unit_of(published))
        table.add_row(published.contender, measured(published), value, here, published.source)
    return table


def _caption(report: Report) -> str:
    seeds = len(report.seeds)
    noun = "seed" if seeds == 1 else "seeds"
    interval = "; ± is the 95 % confidence interval over seeds" if seeds > 1 else ""
    return f"{seeds} {noun}, the same requests for all{interval}. {report.scenario.aim.strip()}"
