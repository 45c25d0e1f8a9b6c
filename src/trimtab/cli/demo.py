"""`trimtab demo`."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console

from ..demo.outcome import Outcome
from ..demo.report import json_report, table
from ..demo.runner import demonstrate
from ..demo.settings import DEFAULT_SEED, Settings
from ..demo.verdict import verdict
from ..demo.view import LiveView, PlainView
from ..errors import DemoError

Outcomes = Sequence[Sequence[Outcome]]

_REPORT_WIDTH = 132
"""Of the report where there is no terminal to ask."""


def demo(
    *,
    backends: int = 12,
    clients: int = 24,
    duration: float | None = None,
    scenario: Literal["steady", "slow-pod", "scale-up", "cold-start", "all"] = "slow-pod",
    seed: int = DEFAULT_SEED,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
    chart: Path | None = None,
) -> int:
    """Show on this machine what balancing per connection and per request do to the same gRPC traffic.

    Parameters
    ----------
    backends
        How many pods.
    clients
        How many clients, each with a channel of its own.
    duration
        For how many seconds each contender is measured: 8, or 28 where pods are replaced, when you do not say. There
        it must be long enough to replace them all.
    scenario
        steady: all is well. slow-pod: one pod becomes 5 times slower midway. scale-up: pods join midway. cold-start: all
        pods are replaced, a quarter at a time, and each new one needs 3 s before it can serve. all: the four
        of them, in about four minutes.
    seed
        The same seed gives the same requests at the same moments.
    as_json
        Print one JSON object instead of the tables.
    chart
        Draw the result into this file: .svg, .png or .pdf. Needs matplotlib: pip install 'trimtab[demo]'.
    """
    console = Console(stderr=True)
    try:
        settings = Settings(backends, clients, duration, scenario, seed, chart)
        draw = _chart_writer() if chart is not None else None
    except DemoError as error:
        return _failed(console, error, exit_code=2)
    try:
        outcomes = _run(settings, console)
    except DemoError as error:
        return _failed(console, error, exit_code=1)
    # Before the chart: whatever becomes of that, the result of the run is there.
    if as_json:
        sys.stdout.write(json.dumps(json_report(seed, outcomes)) + "\n")
        sys.stdout.flush()
    else:
        _print_report(outcomes)
    try:
        if chart is not None and draw is not None:
            draw(chart, outcomes)
    except DemoError as error:
        return _failed(console, error, exit_code=1)
    return 0


def _chart_writer() -> Callable[[Path, Outcomes], None]:
    # Before the run: nobody should wait for a minute to learn that matplotlib is missing.
    from ..demo.chart import write_chart

    return write_chart


def _failed(console: Console, error: DemoError, exit_code: int) -> int:
    console.print(f"trimtab demo: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
    return exit_code


def _run(settings: Settings, console: Console) -> Outcomes:
    view = LiveView(console) if console.is_terminal else PlainView(console)
    signals: list[int] = []
    try:
        with view:
            return asyncio.run(_until_signalled(demonstrate(settings, view), signals))
    except asyncio.CancelledError:
        raise SystemExit(128 + signals[0]) from None


async def _until_signalled(work: Coroutine[Any, Any, Outcomes], signals: list[int]) -> Outcomes:
    """The result of `work`; the first SIGINT or SIGTERM cancels it, and it has the time it needs to clean up."""
    working = asyncio.ensure_future(work)

    def stop(number: int) -> None:
        signals.append(number)
        if len(signals) == 1:
            working.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    return await working


def _print_report(outcomes: Outcomes) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _REPORT_WIDTH
    for contenders in outcomes:
        console.print()
        console.print(table(contenders))
        for sentence in verdict(contenders):
            console.print(sentence)
