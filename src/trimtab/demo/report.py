"""What is said when the demonstration is over: the table for people, the object for machines."""

from collections.abc import Sequence
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from .outcome import Latency, Outcome

_BARS: Final = "▁▂▃▄▅▆▇█"


def json_report(seed: int, scenarios: Sequence[Sequence[Outcome]]) -> dict[str, Any]:
    """Everything measured, as one object."""
    return {
        "seed": seed,
        "scenarios": [
            {"name": outcomes[0].scenario.name, "contenders": [_contender(outcome) for outcome in outcomes]}
            for outcomes in scenarios
        ],
    }


def _contender(outcome: Outcome) -> dict[str, Any]:
    first_request_s = outcome.new_endpoint_first_request_s
    halves = {"p99_before_ms": round(outcome.before.p99_ms, 1), "p99_during_ms": round(outcome.after.p99_ms, 1)}
    return {
        "name": outcome.contender,
        "requests": len(outcome.samples),
        "errors": outcome.errors.total(),
        "per_endpoint": dict(outcome.received),
        "max_over_mean": round(outcome.max_over_mean, 3),
        "p50_ms": round(outcome.latency.p50_ms, 1),
        "p90_ms": round(outcome.latency.p90_ms, 1),
        "p99_ms": round(outcome.latency.p99_ms, 1),
        "new_endpoint_first_request_s": None if first_request_s is None else round(first_request_s, 3),
        **(
            {**halves, "replaced": outcome.replaced, "to_replace": outcome.scenario.pods}
            if outcome.scenario.replaced
            else {}
        ),
    }


def table(outcomes: Sequence[Outcome]) -> Table:
    """One scenario's contenders side by side."""
    scenario = outcomes[0].scenario
    title = f"{scenario.name}: {scenario.pods} pods" + (
        f"; after {scenario.event_at_s(outcomes[0].duration_s):g} s {scenario.event}" if scenario.event else ""
    )
    result = Table(
        title=title, title_justify="left", title_style="bold", caption="latency in ms", caption_justify="left"
    )
    result.add_column("", no_wrap=True)
    result.add_column("requests per pod", no_wrap=True)
    for heading in ("max/mean", *_latency_headings(scenario.event), "errors"):
        result.add_column(heading, justify="right")
    if scenario.replaced:
        result.add_column("replaced", justify="right")
    if scenario.joining:
        result.add_column("new pods served after", justify="right")
    tallest = max(max(outcome.received.values()) for outcome in outcomes)
    for outcome in outcomes:
        result.add_row(*_row(outcome, tallest))
    return result


def _latency_headings(event: str | None) -> list[str]:
    half = ("p99 before", "p99 after") if event else ()
    return ["p50", "p90", "p99", *half]


def _row(outcome: Outcome, tallest: int) -> list[str | Text]:
    scenario = outcome.scenario
    halves = [outcome.before.p99_ms, outcome.after.p99_ms] if scenario.event else []
    row: list[str | Text] = [
        Text(outcome.contender, style="bold" if outcome.contender == scenario.contenders[-1] else ""),
        bars(list(outcome.received.values()), tallest),
        f"{outcome.max_over_mean:.2f}",
        *(f"{ms:,.0f}" for ms in (*_percentiles(outcome.latency), *halves)),
        _errors(outcome),
    ]
    if scenario.replaced:
        row.append(f"{outcome.replaced} of {scenario.pods}")
    if scenario.joining:
        first_s = outcome.new_endpoint_first_request_s
        row.append("never" if first_s is None else f"{first_s:.2f} s")
    return row


def _percentiles(latency: Latency) -> tuple[float, float, float]:
    return latency.p50_ms, latency.p90_ms, latency.p99_ms


def bars(counts: Sequence[int], tallest: int) -> str:
    """A small bar per pod, as high as its count compared with `tallest`; a dot for none."""
    return "".join(_BARS[min(7, count * 8 // max(1, tallest))] if count else "·" for count in counts)


def _errors(outcome: Outcome) -> str:
    codes = ", ".join(f"{count} {code}" for code, count in outcome.errors.most_common())
    return codes or "0"
