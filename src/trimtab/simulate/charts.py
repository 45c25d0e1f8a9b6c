"""Pictures of an experiment, as SVG texts that a page can hold."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from .experiment import Finding
from .happenings import happenings
from .measures import PERCENTILES, Measures, Windows
from .report import Report
from .statistics import Floats

# Okabe and Ito's palette, which stays distinct for every kind of colour vision; ours are the blues.
_COLOURS: Final[Mapping[str, str]] = {
    "kube-proxy": "#D55E00",
    "headless-dns": "#E69F00",
    "round_robin": "#E69F00",
    "envoy-least-request": "#009E73",
    "envoy-zone-aware": "#CC79A7",
    "random": "#8C6D31",
    "shortest-queue": "#888888",
    "p2c": "#0072B2",
}
_MORE_COLOURS: Final = ("#56B4E9", "#004C7A", "#332288", "#44AA99")
_INK: Final = "#333333"
_FAINT: Final = "#BBBBBB"
_WIDTH: Final = 11.0
_MANY_PODS: Final = 300


def charts(report: Report) -> Iterator[tuple[str, str, str]]:
    """Title, a sentence on how to read it, and the SVG of every picture that has something to show."""
    with _style():
        yield (
            "Latency",
            "Percentiles of all requests; bars are 95 % confidence intervals over the seeds.",
            _percentiles(report),
        )
        yield (
            "Latency over time",
            "p50 (thin) and p99 (thick) by the time a request was sent, mean over the seeds; the band is the range of p99.",
            _over_time(report),
        )
        if any(finding.metric("errors").value for finding in report.findings):
            yield "Errors over time", "Share of the requests sent at that time.", _errors(report)
        yield "Requests per pod", "Over the whole measured time, first seed; the line is the mean.", _per_pod(report)
        if len(report.findings[0].runs[0].requests_per_pod) <= _MANY_PODS:
            yield (
                "Requests per pod over time",
                "A row per pod while it is there, first seed: blue gets less than an even share, red more. Slow starts and failovers show here.",
                _heat(report, _relative_requests, "share, × even", "coolwarm", (0.0, 2.0)),
            )
            yield (
                "p90 per pod over time",
                "A row per pod, first seed, milliseconds on a logarithmic scale.",
                _heat(report, _log_p90, "p90, ms (log₁₀)", "viridis", None),
            )
        if report.needs:
            yield "Pods needed", f"To hold {report.target}; bars are 95 % confidence intervals.", _needs(report)


def colours(contenders: Sequence[str]) -> Mapping[str, str]:
    """A colour for each contender, the same in every report for those that have a name of their own."""
    spare = iter(_MORE_COLOURS * len(contenders))
    return {name: _COLOURS.get(name) or next(spare) for name in contenders}


def _style() -> AbstractContextManager[None]:
    return rc_context(
        {
            "axes.axisbelow": True,
            "axes.edgecolor": _FAINT,
            "axes.labelcolor": _INK,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": 10,
            "font.family": "sans-serif",
            "font.size": 9.5,
            "svg.fonttype": "none",
            "svg.hashsalt": "trimtab",
            "text.color": _INK,
            "xtick.color": _INK,
            "ytick.color": _INK,
        }
    )


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    # Without the XML prologue: the picture becomes an element of a page.
    return text[text.index("<svg") :]


def _axes(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    return figure, figure.subplots()


def _palette(report: Report) -> Mapping[str, str]:
    return colours([finding.contender for finding in report.findings])


def _percentiles(report: Report) -> str:
    figure, axes = _axes(3.6)
    palette = _palette(report)
    spread = 0.5 / max(1, len(report.findings) - 1)
    for number, finding in enumerate(report.findings):
        values = [finding.metric(name) for name in PERCENTILES]
        axes.errorbar(
            np.arange(len(values)) - 0.25 + number * spread,
            [value.value for value in values],
            yerr=np.nan_to_num([value.half_width for value in values]),
            fmt="o",
            markersize=6,
            capsize=3,
            color=palette[finding.contender],
            label=finding.contender,
        )
    axes.set_xticks(range(len(PERCENTILES)), ["p50", "p90", "p99", "p99.9"])
    axes.set_xlim(-0.5, len(PERCENTILES) - 0.5)
    _milliseconds(axes)
    _legend(axes)
    return _svg(figure)


def _over_time(report: Report) -> str:
    figure, axes = _axes(4.2)
    palette = _palette(report)
    for finding in report.findings:
        colour, starts_s = palette[finding.contender], finding.runs[0].windows.starts_s
        p99 = _each(finding, lambda windows: windows.p99_ms)
        with np.errstate(all="ignore"):
            axes.fill_between(starts_s, p99.min(axis=0), p99.max(axis=0), color=colour, alpha=0.15, linewidth=0)
            axes.plot(starts_s, p99.mean(axis=0), color=colour, linewidth=2, label=finding.contender)
            p50 = _each(finding, lambda windows: windows.p50_ms).mean(axis=0)
            axes.plot(starts_s, p50, color=colour, linewidth=0.9)
    _milliseconds(axes)
    _time(axes, report)
    _legend(axes)
    return _svg(figure)


def _errors(report: Report) -> str:
    figure, axes = _axes(3.2)
    palette = _palette(report)
    for finding in report.findings:
        share = _each(finding, lambda windows: windows.error_share).mean(axis=0) * 100
        axes.plot(finding.runs[0].windows.starts_s, share, color=palette[finding.contender], label=finding.contender)
    axes.set_ylabel("errors, %")
    axes.grid(axis="y", color=_FAINT, linewidth=0.5)
    _time(axes, report)
    _legend(axes)
    return _svg(figure)


def _per_pod(report: Report) -> str:
    palette = _palette(report)
    for_each, figure = _panels(report, 2.6)
    for axes, finding in for_each:
        counts = finding.runs[0].requests_per_pod
        axes.bar(range(len(counts)), counts, width=0.8, color=palette[finding.contender])
        axes.axhline(sum(counts) / len(counts), color=_INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_title(f"{finding.contender}: max {finding.metric('max_over_mean').value:.2f} × mean")
        axes.set_xlabel("pods")
        axes.set_xticks([])
    return _svg(figure)


def _heat(
    report: Report,
    values: Callable[[Measures], Floats],
    label: str,
    colour_map: str,
    limits: tuple[float, float] | None,
) -> str:
    grids = [values(finding.runs[0]).T for finding in report.findings]
    low, high = limits or (min(float(np.nanmin(g)) for g in grids), max(float(np.nanmax(g)) for g in grids))
    for_each, figure = _panels(report, 3.0)
    shown = []
    for (axes, finding), grid in zip(for_each, grids, strict=True):
        extent = (0.0, report.scenario.duration_s, grid.shape[0] - 0.5, -0.5)
        picture = axes.imshow(
            grid, aspect="auto", extent=extent, cmap=colour_map, vmin=low, vmax=high, interpolation="nearest"
        )
        axes.set_title(finding.contender)
        axes.set_xlabel("seconds")
        shown.append((axes, picture))
    shown[0][0].set_ylabel("pod")
    figure.colorbar(shown[-1][1], ax=[axes for axes, _ in shown], label=label, shrink=0.9)
    return _svg(figure)


def _needs(report: Report) -> str:
    figure, axes = _axes(0.7 + 0.4 * len(report.needs))
    palette = _palette(report)
    for row, need in enumerate(reversed(report.needs)):
        if need.pods is None:
            axes.text(0, row, "  more than eight times as many as in the scenario", va="center")
            continue
        error = np.nan_to_num(need.pods.half_width)
        axes.barh(row, need.pods.value, xerr=error, color=palette[need.contender], height=0.6, capsize=3)
        axes.text(need.pods.value + error, row, f"  {need.pods.value:.1f}", va="center")
    axes.set_yticks(range(len(report.needs)), [need.contender for need in reversed(report.needs)])
    axes.set_xlabel("pods")
    axes.margins(x=0.08)
    return _svg(figure)


def _panels(report: Report, height: float) -> tuple[Iterator[tuple[Axes, Finding]], Figure]:
    """A panel per contender, side by side, with a common scale."""
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    row = figure.subplots(1, len(report.findings), sharey=True, squeeze=False)[0]
    return zip(row, report.findings, strict=True), figure


def _each(finding: Finding, series: Callable[[Windows], Floats]) -> Floats:
    """A series of every seed, one per row."""
    return np.array([series(run.windows) for run in finding.runs])


def _relative_requests(run: Measures) -> Floats:
    requests, present = run.windows.requests, run.present
    with np.errstate(all="ignore"):
        even = requests.sum(axis=1, keepdims=True) / present.sum(axis=1, keepdims=True)
        return np.where(present | (requests > 0), requests / even, np.nan)


def _log_p90(run: Measures) -> Floats:
    with np.errstate(all="ignore"):
        return np.asarray(np.log10(run.windows.pod_p90_ms), dtype=np.float64)


def _milliseconds(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda ms, _: f"{ms:g} ms" if ms < 1000 else f"{ms / 1000:g} s")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", color=_FAINT, linewidth=0.5)


def _legend(axes: Axes) -> None:
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=6, borderaxespad=0.2)


def _time(axes: Axes, report: Report) -> None:
    axes.set_xlabel("seconds")
    axes.set_xlim(0, report.scenario.duration_s)
    for moment in happenings(report.scenario):
        if moment.at_s > report.scenario.duration_s:
            continue
        place = (moment.at_s, 1)
        axes.axvline(moment.at_s, color=_INK, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.annotate(
            moment.what, place, (3, -3), ("data", "axes fraction"), "offset points", fontsize=8, va="top", rotation=90
        )
