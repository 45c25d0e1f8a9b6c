"""The two figures this problem is known by: requests per pod, and latency over time."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from ..errors import DemoError
from .outcome import Outcome, windows
from .scenario import COLD, SLOW_START, WARM, Scenario

try:
    from matplotlib import rc_context
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.ticker import LogLocator, NullLocator
except ImportError:
    raise DemoError("--chart needs matplotlib, which is not installed: pip install 'trimtab[demo]'") from None

# Okabe and Ito's palette, which stays distinct for every kind of colour vision.
_COLOURS: Final = {
    "kube-proxy": "#D55E00",
    "round-robin": "#E69F00",
    "trimtab": "#0072B2",
    COLD: "#D55E00",
    SLOW_START: "#E69F00",
    WARM: "#0072B2",
}
_INK: Final = "#333333"
_FAINT: Final = "#BBBBBB"
_DASHED: Final = (0, (4, 3))
_WINDOW_S: Final = 0.5


def write_chart(file: Path, scenarios: Sequence[Sequence[Outcome]]) -> None:
    """Draw one row per scenario into `file`; the suffix chooses the format. Raises DemoError if it cannot be written."""
    with _style():
        figure = Figure(figsize=(12, 3.9 * len(scenarios)), layout="constrained")
        rows = figure.subfigures(len(scenarios), 1, squeeze=False, hspace=0.05)[:, 0]
        for row, outcomes in zip(rows, scenarios, strict=True):
            _draw_scenario(row, outcomes)
        try:
            figure.savefig(file, dpi=150, metadata={"Date": None} if file.suffix == ".svg" else None)
        except OSError as error:
            raise DemoError(f"--chart: cannot write {file}: {error.strerror or error}") from error


def _style() -> AbstractContextManager[None]:
    return rc_context(
        {
            "axes.axisbelow": True,
            "axes.edgecolor": _FAINT,
            "axes.labelcolor": _INK,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": 10,
            "font.size": 9.5,
            "hatch.linewidth": 1.5,
            "svg.hashsalt": "trimtab",
            "text.color": _INK,
            "xtick.color": _INK,
            "ytick.color": _INK,
        }
    )


def _draw_scenario(row: SubFigure, outcomes: Sequence[Outcome]) -> None:
    scenario = outcomes[0].scenario
    event = f"; after {scenario.event_at_s(outcomes[0].duration_s):g} s {scenario.event}" if scenario.event else ""
    row.suptitle(f"{scenario.pods} pods, the same requests{event}", x=0.01, ha="left", fontsize=12, fontweight="bold")
    left, right = row.subfigures(1, 2, squeeze=False, width_ratios=(1.35, 1), wspace=0.03)[0]
    _draw_requests(left.subplots(1, len(outcomes), sharey=True), outcomes)
    _draw_latency(right.subplots(), outcomes)


def _draw_requests(panels: Sequence[Axes], outcomes: Sequence[Outcome]) -> None:
    for axes, outcome in zip(panels, outcomes, strict=True):
        counts = list(outcome.received.values())
        bars = axes.bar(range(1, len(counts) + 1), counts, color=_COLOURS[outcome.contender], width=0.78)
        _hatch_special(bars, outcome.scenario)
        axes.axhline(sum(counts) / len(counts), color=_INK, linewidth=1, linestyle=_DASHED)
        axes.set_title(outcome.contender, color=_COLOURS[outcome.contender], fontweight="bold", pad=18)
        axes.annotate(
            f"busiest pod {outcome.max_over_mean:.2f}× mean",
            (0.5, 1),
            (0, 4),
            "axes fraction",
            "offset points",
            ha="center",
        )
        axes.set_xlabel(_pods_label(outcome.scenario))
        axes.set_xticks([])
        axes.grid(axis="y", color=_FAINT, linewidth=0.5)
    panels[0].set_ylabel("requests per pod")


def _hatch_special(bars: BarContainer, scenario: Scenario) -> None:
    """Mark the pods that the scenario is about."""
    for index, bar in enumerate(bars):
        if index < scenario.slowed or index >= scenario.initial:
            bar.set(hatch="////", edgecolor="white", linewidth=0)


def _pods_label(scenario: Scenario) -> str:
    if scenario.slowed:
        return "pods (hatched: the slow one)"
    return "pods (hatched: joined late)" if scenario.joining else "pods"


def _draw_latency(axes: Axes, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        colour = _COLOURS[outcome.contender]
        for q, width, style in ((90, 2.2, "-"), (99, 1.6, ":")):
            points = windows(outcome.samples, _WINDOW_S, q)
            label = outcome.contender if q == 90 else None
            axes.plot(*zip(*points, strict=True), color=colour, linestyle=style, linewidth=width, label=label)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda ms, _: f"{ms:g} ms" if ms < 1000 else f"{ms / 1000:g} s")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", color=_FAINT, linewidth=0.5)
    axes.set_title("p90 by time of request (dotted: p99)", pad=18)
    axes.set_xlabel("seconds")
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 0.985), ncols=3, borderaxespad=0, fontsize=9)
    if event := outcomes[0].scenario.event:
        _mark_event(axes, outcomes[0].scenario.event_at_s(outcomes[0].duration_s), event)


def _mark_event(axes: Axes, at_s: float, event: str) -> None:
    axes.axvline(at_s, color=_INK, linewidth=1, linestyle=_DASHED)
    where = (at_s, 1), (-5, -5), ("data", "axes fraction"), "offset points"
    axes.annotate(event, *where, ha="right", va="top", fontsize=9, bbox={"color": "white", "pad": 1})
