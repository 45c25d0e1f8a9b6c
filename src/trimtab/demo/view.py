"""Watching the demonstration while it runs: a live picture on a terminal, a few lines elsewhere. Both on stderr."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .client_plan import Sample
from .outcome import Latency, Outcome
from .scenario import Scenario


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment of a run."""

    scenario: Scenario
    contender: str
    elapsed_s: float
    """Negative while warming up."""
    duration_s: float
    received: Mapping[str, int]
    samples: Sequence[Sample]

    @property
    def phase(self) -> str:
        """What is going on, for people."""
        if self.elapsed_s < 0:
            return "warming up"
        if self.elapsed_s >= self.duration_s:
            return "waiting for the last answers"
        event = self.scenario.event if self.elapsed_s >= self.scenario.event_at_s(self.duration_s) else None
        return f"{self.elapsed_s:.0f} of {self.duration_s:g} s" + (f" · {event}" if event else "")


class View(Protocol):
    """What a run is shown through."""

    wants_progress: bool

    def begin(self, scenario: Scenario, contender: str) -> None: ...

    def show(self, progress: Progress) -> None: ...

    def end(self, outcome: Outcome) -> None: ...


class PlainView(AbstractContextManager["PlainView"]):
    """One line at the start and one at the end of each contender."""

    wants_progress = False

    def __init__(self, console: Console) -> None:
        self._console = console

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass

    def begin(self, scenario: Scenario, contender: str) -> None:
        self._console.print(f"{scenario.name}: {contender} …", highlight=False)

    def show(self, progress: Progress) -> None:
        pass

    def end(self, outcome: Outcome) -> None:
        self._console.print(summary(outcome), highlight=False)


class LiveView(AbstractContextManager["LiveView"]):
    """A bar per pod that grows with its requests, and the latency so far."""

    wants_progress = True

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, transient=True, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    def begin(self, scenario: Scenario, contender: str) -> None:
        self._live.update(Text(f"{scenario.name} · {contender} · starting"))

    def show(self, progress: Progress) -> None:
        self._live.update(picture(progress))

    def end(self, outcome: Outcome) -> None:
        self._live.console.print(summary(outcome), highlight=False)


def summary(outcome: Outcome) -> str:
    """A contender in one line."""
    return (
        f"{outcome.scenario.name}: {outcome.contender}: {len(outcome.samples)} requests, "
        f"{outcome.errors.total()} errors, p99 {outcome.latency.p99_ms:,.0f} ms"
    )


def picture(progress: Progress) -> Group:
    """The moment as rich draws it."""
    heading = Text.assemble(
        (progress.scenario.name, "bold"), " · ", (progress.contender, "bold cyan"), f" · {progress.phase}"
    )
    latency = Latency.of(progress.samples)
    numbers = Text(f"p50 {latency.p50_ms:,.0f} ms   p90 {latency.p90_ms:,.0f} ms   p99 {latency.p99_ms:,.0f} ms")
    return Group(heading, _pods(progress.received), numbers)


def _pods(received: Mapping[str, int]) -> Table:
    grid = Table.grid(padding=(0, 1))
    tallest = max([1, *received.values()])
    for pod, count in received.items():
        grid.add_row(pod, ProgressBar(total=tallest, completed=count, width=40), str(count))
    return grid
