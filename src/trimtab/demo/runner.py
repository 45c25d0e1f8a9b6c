"""The course of the demonstration: scenario by scenario, contender by contender."""

from pathlib import Path
from tempfile import TemporaryDirectory

from .backends import running_backends
from .outcome import Outcome
from .pod import Pod, reserved_pods
from .roll import RollRun
from .run import FleetRun
from .scenario import Scenario
from .settings import Settings
from .view import View


async def demonstrate(settings: Settings, view: View) -> list[list[Outcome]]:
    """Run what `settings` ask for: for each scenario, every contender's outcome. Raises DemoError.

    However it ends, cancelled included, no process and no file remains.
    """
    scenarios = [Scenario.named(name, settings.backends) for name in settings.scenarios]
    rolls = any(scenario.replaced for scenario in scenarios)
    with (
        TemporaryDirectory(prefix="trimtab-demo-") as name,
        # Where pods are replaced, as many again.
        reserved_pods(settings.backends * (2 if rolls else 1)) as pods,
    ):
        folder, first = Path(name), pods[: settings.backends]
        outcomes = []
        if fleet := [scenario for scenario in scenarios if not scenario.replaced]:
            async with running_backends(first, folder) as backends:
                for scenario in fleet:
                    runs = [FleetRun(settings, scenario, each, backends, folder, view) for each in scenario.contenders]
                    outcomes.append([await run.measure() for run in runs])
        second = pods[len(first) :]
        rolled = [await _rolled(settings, each, first, second, folder, view) for each in scenarios if each.replaced]
        return outcomes + rolled


async def _rolled(
    settings: Settings,
    scenario: Scenario,
    old: tuple[Pod, ...],
    new: tuple[Pod, ...],
    folder: Path,
    view: View,
) -> list[Outcome]:
    outcomes = []
    for contender in scenario.contenders:
        async with RollRun(settings, scenario, contender, old, new, folder, view) as run:
            outcomes.append(await run.measure())
    return outcomes
