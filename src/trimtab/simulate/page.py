"""The report as one HTML file that needs nothing but a browser."""

from collections.abc import Iterator, Sequence
from html import escape
from importlib import metadata
from math import nan
from typing import Final

from .charts import charts, colours
from .report import Report, measured, shown, unit_of
from .statistics import Interval
from .tables import AFTERMATH_HEADINGS, AFTERMATH_READING, aftermath_rows

_CSS: Final = """
body { color: #222; font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { margin-bottom: .2rem; } h2 { margin-top: 2.2rem; } p.lead { color: #555; max-width: 50rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #ddd; padding: .3rem .7rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, td.text { text-align: left; } td.text { white-space: normal; }
th { font-weight: 600; vertical-align: bottom; white-space: pre-line; }
svg { height: auto; max-width: 100%; } .scroll { overflow-x: auto; }
i.key { border-radius: 50%; display: inline-block; height: .7em; margin-right: .5em; width: .7em; }
"""


def page(report: Report) -> str:
    """The whole page."""
    return "".join(_page(report))


def _page(report: Report) -> Iterator[str]:
    scenario = report.scenario
    title = escape(scenario.title)
    yield f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_CSS}</style></head>\n'
    yield f'<body><h1>{title}</h1>\n<p class="lead">{escape(scenario.about)}</p>\n'
    yield f"<p><b>What to look at:</b> {escape(scenario.aim)}</p>\n" if scenario.aim else ""
    yield from _results(report)
    yield from _aftermaths(report)
    if report.needs:
        yield f"<h2>Pods needed to hold {escape(str(report.target))}</h2>\n"
        yield _table(
            ("contender", "pods"),
            [
                (escape(n.contender), "more than eight times as many" if n.pods is None else shown(n.pods, "pods"))
                for n in report.needs
            ],
        )
    yield from _published(report)
    for heading, reading, svg in charts(report):
        yield f"<h2>{escape(heading)}</h2>\n<p>{escape(reading)}</p>\n{svg}\n"
    yield f"<p>Trimtab {escape(metadata.version('trimtab'))}: the balancing code of this version in virtual time. "
    yield f"Scenario <code>{escape(report.name)}</code>, seeds {report.seeds[0]} to {report.seeds[-1]}; "
    yield "the same seeds give the same page.</p>\n</body></html>\n"


def _results(report: Report) -> Iterator[str]:
    palette = colours([finding.contender for finding in report.findings])
    yield "<h2>Results</h2>\n<p>Mean over the seeds ± half of the 95 % confidence interval. All contenders had the same requests.</p>\n"
    rows = []
    for finding in report.findings:
        key = f'<i class="key" style="background:{palette[finding.contender]}"></i>{escape(finding.contender)}'
        rows.append((key, *(shown(finding.metric(name), name) for name, _ in report.columns)))
    yield _table(("contender", *(heading for _, heading in report.columns)), rows)


def _aftermaths(report: Report) -> Iterator[str]:
    if not report.scenario.events:
        return
    yield f"<h2>Time lines</h2>\n<p>{escape(AFTERMATH_READING)}</p>\n"
    for event, rows in aftermath_rows(report):
        yield f"<h3>{escape(event)}</h3>\n"
        yield _table(("contender", *AFTERMATH_HEADINGS), [(escape(name), *cells) for name, *cells in rows])


def _published(report: Report) -> Iterator[str]:
    rows = [
        (
            escape(published.contender),
            escape(measured(published)),
            shown(Interval(published.value, nan), unit_of(published)),
            shown(ours, unit_of(published)),
            escape(published.source),
        )
        for published, ours in report.published()
    ]
    if rows:
        yield "<h2>Published, and here</h2>\n"
        yield _table(("contender", "metric", "published", "here", "source"), rows)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="text">{c}</td>' if h == "source" else f"<td>{c}</td>"
            for h, c in zip(headings, row, strict=True)
        )
        + "</tr>\n"
        for row in rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>\n{body}</table></div>\n'
