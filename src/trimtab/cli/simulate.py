"""`trimtab simulate`."""

import errno
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ..errors import AdminError, ManifestError, ScenarioError, ServiceNotFound, TargetError

try:
    import yaml

    from ..simulate import experiment, sizing, validation
    from ..simulate.contenders import named
    from ..simulate.page import page
    from ..simulate.report import Report
    from ..simulate.report_json import as_json
    from ..simulate.scenario import Contestant, Scenario
    from ..simulate.scenario_file import load, shipped, twice
    from ..simulate.sizing import Target
    from ..simulate.tables import tables
    from .fleet_options import FleetOptions
except ImportError as missing:
    sys.exit(f"trimtab simulate needs more than the command line: pip install 'trimtab[simulate]' ({missing})")

_REPORT_WIDTH = 190
"""Of the report where there is no terminal to ask."""


def simulate(
    scenario: str | None = None,
    /,
    *,
    compare: Annotated[list[str] | None, Parameter(consume_multiple=True, negative=())] = None,
    seeds: int = 5,
    hold: str | None = None,
    html: Path | None = None,
    json_: Annotated[bool, Parameter(name="--json", negative=())] = False,
    processes: int | None = None,
    list_: Annotated[bool, Parameter(name="--list", negative=())] = False,
    validate: Annotated[bool, Parameter(negative=())] = False,
    fleet: Annotated[FleetOptions | None, Parameter(name="*")] = None,
) -> int:
    """Play a scenario in virtual time: what would a balancing policy do to a fleet?

    The clients run the balancing code of this version of Trimtab, beside what people use today. The scenario is written down, comes
    with Trimtab, or is a service that runs (--from-cluster).

    Parameters
    ----------
    scenario
        A YAML file, or the name of a scenario that comes with Trimtab (see --list).
    compare
        Contenders in the place of the scenario's own: names, or policies such as '{strategy: p2c, slow_start_s: 30}'.
    seeds
        How many times each contender plays, with other random numbers each time. The same seeds give the same report.
    hold
        Also find out how many pods each contender needs for this: p99=50 means a p99 of at most 50 ms.
    html
        Write a report with charts into this file. It needs nothing but a browser.
    json_
        Print one JSON object instead of the tables.
    processes
        How many runs at a time; as many as there are processors unless given.
    list_
        List the scenarios that come with Trimtab.
    validate
        Check the engine against the tables of queueing theory. Takes two minutes of processor time.
    """
    console = Console(stderr=True)
    try:
        if list_:
            return _list()
        if validate:
            return _validate(console)
        name, played = _scenario(scenario, fleet or FleetOptions())
        if seeds < 1:
            raise ScenarioError(f"--seeds: expected a number from 1, got {seeds}")
        if processes is not None and processes < 1:
            raise ScenarioError(f"--processes: expected a number from 1, got {processes}")
        if html is not None:
            _check_writable(html)
        report = _report(name, played, compare, seeds, hold, processes, console)
    except (ScenarioError, ManifestError, TargetError, AdminError, ServiceNotFound) as error:
        _complain(console, error)
        return 1 if isinstance(error, AdminError | ServiceNotFound) else 2
    if json_:
        sys.stdout.write(json.dumps(as_json(report)) + "\n")
    else:
        _print(report)
    return 0 if html is None else _write(page(report), html, console)


def _check_writable(html: Path) -> None:
    """Before hours of simulation, not after them."""
    folder = html.absolute().parent
    if not folder.is_dir():
        raise ScenarioError(f"--html: there is no folder {folder}")
    if html.is_dir():
        raise ScenarioError(f"--html: {html} is a folder; name a file in it")
    if not os.access(html if html.exists() else folder, os.W_OK):
        raise ScenarioError(f"--html: cannot write {html}: {os.strerror(errno.EACCES)}")


def _write(text: str, html: Path, console: Console) -> int:
    try:
        html.write_text(text, "utf-8")
    except OSError as error:
        _complain(console, f"--html: cannot write {html}: {error.strerror}")
        return 1
    return 0


def _complain(console: Console, what: object) -> None:
    console.print(f"trimtab simulate: {what}", style="red", highlight=False, markup=False, soft_wrap=True)


def _scenario(name: str | None, fleet: FleetOptions) -> tuple[str, Scenario]:
    if fleet.from_cluster is None:
        if fleet.given:
            raise ScenarioError(
                f"{', '.join(fleet.given)}: only together with --from-cluster; a scenario says it itself"
            )
        if name is None:
            raise ScenarioError(
                f"which scenario? A YAML file, --from-cluster for a fleet that runs, or one of {', '.join(shipped())}"
            )
        return name, load(name)
    if name is not None:
        raise ScenarioError(f"--from-cluster and {name}: which of them? Give one")
    return fleet.scenario()


def _report(
    name: str,
    scenario: Scenario,
    compare: Sequence[str] | None,
    seeds: int,
    hold: str | None,
    processes: int | None,
    console: Console,
) -> Report:
    contestants = [_contestant(text) for text in compare] if compare else scenario.contenders
    for contestant in contestants:
        named(contestant)
    if (same := twice(contestants)) is not None:
        raise ScenarioError(f"--compare: two contenders are called {same!r}; a report could not tell them apart")
    target = Target.parse(hold) if hold is not None else None
    numbers = range(1, seeds + 1)
    with _progress(console) as progress:
        on_done = _ticker(progress, "simulating")
        findings = experiment.run(scenario, contestants, numbers, processes=processes, on_done=on_done)
        needs: Sequence[sizing.Need] = ()
        if target is not None:
            on_done = _ticker(progress, f"pods for {target}")
            needs = sizing.solve(scenario, contestants, target, numbers, processes=processes, on_done=on_done)
    return Report(name, scenario, tuple(numbers), findings, target, needs)


def _contestant(text: str) -> str | Contestant:
    """A contender's name, or a policy written as YAML."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        policy = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ScenarioError(f"--compare: {text!r} is not YAML: {error}") from error
    name = ", ".join(f"{key} {_spelt(value)}" for key, value in policy.items())
    return Contestant(name=name or "default policy", policy=policy)


def _spelt(value: object) -> str:
    """As it is written in YAML, where `off` is false."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return "null" if value is None else str(value)


def _progress(console: Console) -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _ticker(progress: Progress, what: str) -> Callable[[int, int], None]:
    task = progress.add_task(what, total=None)
    return lambda done, of: progress.update(task, completed=done, total=of)


def _output() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _REPORT_WIDTH
    return console


def _print(report: Report) -> None:
    console = _output()
    console.print(report.scenario.about.strip(), markup=False)
    for table in tables(report):
        console.print(table)


def _list() -> int:
    table = Table("name", "what happens", title="Scenarios", title_justify="left")
    for name in shipped():
        table.add_row(name, load(name).title)
    _output().print(table)
    return 0


def _validate(console: Console) -> int:
    """Every cell, with what it should be; 1 if one is off by more than 2 %."""
    table = Table(title="Expected, and simulated", title_justify="left")
    for heading in ("fleet", "mean", "simulated", "off", "p99", "simulated", "off", "published"):
        table.add_column(heading, justify="left" if heading == "fleet" else "right")
    with _progress(console) as progress:
        estimates = experiment.spread(validation.measure, validation.CELLS, on_done=_ticker(progress, "validating"))
    failed = False
    for cell, estimate in zip(validation.CELLS, estimates, strict=True):
        row = [str(cell)]
        for expected, found in ((cell.expected.mean, estimate.mean), (cell.expected.p99, estimate.p99)):
            off = found.value / expected - 1
            failed |= abs(off) > validation.TOLERANCE
            row += [f"{expected:.4g}", f"{found.value:.4g} ± {round(found.half_width, 6):.2g}", f"{100 * off:+.1f} %"]
        said = cell.published
        table.add_row(*row, "" if said is None else f"{said.mean:g}; {said.p99:g}")
    _output().print(table)
    return int(failed)
