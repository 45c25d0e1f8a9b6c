"""What the user may choose about a demonstration."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import DemoError
from .scenario import SCENARIOS, Scenario

CHART_SUFFIXES: Final = (".svg", ".png", ".pdf")
DEFAULT_SEED: Final = 10
"""A middling draw for kube-proxy: of 24 connections the busiest of 12 pods gets 5, and the slow one 2, its fair share."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Raises DemoError for a value out of range."""

    backends: int = 12
    clients: int = 24
    duration_s: float | None = None
    """How long each contender is measured; None: as long as the scenario needs."""
    scenario: str = "slow-pod"
    """A name from SCENARIOS, or `all`."""
    seed: int = DEFAULT_SEED
    chart: Path | None = None

    def __post_init__(self) -> None:
        _expect(2 <= self.backends <= 100, "--backends", "a number from 2 to 100", self.backends)
        _expect(1 <= self.clients <= 1000, "--clients", "a number from 1 to 1000", self.clients)
        duration_s = self.duration_s
        in_range = duration_s is None or (math.isfinite(duration_s) and 1 <= duration_s <= 600)
        _expect(in_range, "--duration", "seconds from 1 to 600", self.duration_s)
        _expect(self.scenario in (*SCENARIOS, "all"), "--scenario", f"{', '.join(SCENARIOS)} or all", self.scenario)
        if duration_s is not None:
            for scenario in (Scenario.named(name, self.backends) for name in self.scenarios):
                least = f"{math.ceil(scenario.shortest_duration_s)} seconds or more for {scenario.name}"
                _expect(duration_s >= scenario.shortest_duration_s, "--duration", least, f"{duration_s:g}")
        if self.chart is not None:
            _expect(
                self.chart.suffix in CHART_SUFFIXES,
                "--chart",
                f"a file name that ends in {', '.join(CHART_SUFFIXES)}",
                self.chart,
            )
            _expect(self.chart.absolute().parent.is_dir(), "--chart", "a file in a folder that exists", self.chart)
            _expect(not self.chart.is_dir(), "--chart", "a file", f"the folder {self.chart}")

    @property
    def scenarios(self) -> tuple[str, ...]:
        """The scenarios to run, in order."""
        return SCENARIOS if self.scenario == "all" else (self.scenario,)


def _expect(condition: bool, option: str, expected: str, got: object) -> None:
    if not condition:
        raise DemoError(f"{option}: expected {expected}, got {got}")
