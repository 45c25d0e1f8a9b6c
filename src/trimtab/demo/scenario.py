"""What happens to the pods while the load goes on."""

from dataclasses import dataclass
from typing import Final

SCENARIOS: Final = ("steady", "slow-pod", "scale-up")
SLOWDOWN: Final = 5.0
"""How many times longer a request takes on the slow pod."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One course of events. Whatever happens, happens after half of the measured time."""

    name: str
    pods: int
    slowed: int = 0
    """This many pods, the first ones, become SLOWDOWN times slower midway."""
    joining: int = 0
    """This many pods, the last ones, join midway."""

    @classmethod
    def named(cls, name: str, pods: int) -> "Scenario":
        """The scenario `name` with `pods` pods in all; a third of them joins late in `scale-up`."""
        match name:
            case "steady":
                return cls(name, pods)
            case "slow-pod":
                return cls(name, pods, slowed=1)
            case "scale-up":
                return cls(name, pods, joining=max(1, pods // 3))
        raise ValueError(f"no scenario {name!r}")

    @property
    def initial(self) -> int:
        """How many pods there are at the start."""
        return self.pods - self.joining

    @property
    def event(self) -> str | None:
        """What happens midway, for people; None if nothing does."""
        if self.slowed:
            return f"one pod becomes {SLOWDOWN:g}× slower"
        if self.joining:
            return f"{self.joining} {'pod joins' if self.joining == 1 else 'pods join'}"
        return None
