"""The impact page: several scenarios, one table each, and where another contender was as good or better.

    python -m trimtab.simulate.impact docs/impact.md docs/figures

What it says is computed from the runs, losses and ties included: nobody has to remember to write them down.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .charts import charts
from .experiment import findings, play, spread
from .impact_page import page, picture, pictured
from .report import Report
from .scenario import Contestant, Scenario
from .scenario_file import load
from .sizing import Target, least, needs

SEEDS: Final = (1, 2, 3, 4, 5)
_NOT_FOR_SALE: Final = ("shortest-queue",)
"""A bound, which nobody can deploy."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A scenario of the page."""

    name: str
    hold: str | None = None
    """Also solve for the pods that hold this."""


SUBJECTS: Final = (
    Subject("pinned-connections", "p99=450"),
    Subject("bursts", "p99=450"),
    Subject("slow-pod", "p99=500"),
    Subject("rolling-deploy", "p99=500"),
    Subject("mixed-costs"),
    Subject("dropbox-hardware"),
    Subject("finagle-failures"),
    Subject("many-workers", "p99=450"),
    Subject("prequal-cpu"),
    Subject("envoy-zones-uneven"),
)


_Playing = tuple[Scenario, str | Contestant, int]
_Sizing = tuple[Scenario, str | Contestant, Target, int]


def reports(subjects: Sequence[Subject], seeds: Sequence[int], processes: int | None = None) -> Sequence[Report]:
    """Play subjects, all runs of all of them together: no processor waits for the last run of a subject."""
    scenarios = {subject: load(subject.name) for subject in subjects}
    sized = [subject for subject in subjects if subject.hold]
    tasks: list[_Playing | _Sizing] = [
        *(task for subject in sized for task in _sizing(scenarios[subject], subject, seeds)),
        *(task for subject in subjects for task in _playing(scenarios[subject], seeds)),
    ]
    results = iter(spread(_work, tasks, processes=processes, on_done=_told))
    needed = {}
    for subject in sized:
        contestants = _contestants(scenarios[subject])
        needed[subject] = needs(contestants, [next(results) for _ in range(len(contestants) * len(seeds))])
    found = []
    for subject in subjects:
        scenario, contestants = scenarios[subject], _contestants(scenarios[subject])
        measured = [next(results) for _ in range(len(contestants) * len(seeds))]
        target = Target.parse(subject.hold) if subject.hold else None
        found.append(
            Report(subject.name, scenario, seeds, findings(contestants, measured), target, needed.get(subject, ()))
        )
    return found


def _playing(scenario: Scenario, seeds: Sequence[int]) -> Sequence[_Playing]:
    return [(scenario, contestant, seed) for contestant in _contestants(scenario) for seed in seeds]


def _sizing(scenario: Scenario, subject: Subject, seeds: Sequence[int]) -> Sequence[_Sizing]:
    target = Target.parse(subject.hold or "")
    return [(scenario, contestant, target, seed) for contestant in _contestants(scenario) for seed in seeds]


def _work(task: _Playing | _Sizing) -> Any:
    return play(task) if len(task) == 3 else least(task)


def _contestants(scenario: Scenario) -> Sequence[str | Contestant]:
    return [contestant for contestant in scenario.contenders if contestant not in _NOT_FOR_SALE]


def _told(done: int, of: int) -> None:
    if done % 10 == 0 or done == of:
        sys.stderr.write(f"{done} of {of} runs\n")


def main(page_file: Path, folder: Path) -> None:
    """Play everything and write page and figures."""
    played = reports(SUBJECTS, SEEDS)
    for report in played:
        for title, _, svg in charts(report):
            if title in pictured(report):
                (folder / picture(report, title)).write_text('<?xml version="1.0" encoding="utf-8"?>\n' + svg, "utf-8")
    page_file.write_text(page(played, folder.name), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
