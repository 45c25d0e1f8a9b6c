"""What happens to the pods while the load goes on."""

import math
from dataclasses import dataclass
from typing import Final

SCENARIOS: Final = ("steady", "slow-pod", "scale-up", "cold-start")
BALANCERS: Final = ("kube-proxy", "round-robin", "trimtab")
"""What is compared in most scenarios."""
COLD, SLOW_START, WARM = "cold", "slow-start", "warm-up+slow-start"
"""What is compared when every pod is replaced; trimtab balances in all three."""
SLOW_START_S: Final = 3.0
"""How long a new pod takes to reach its full share, under those that know slow start."""
SLOWDOWN: Final = 5.0
"""How many times longer a request takes on the slow pod."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One course of events. Whatever happens, happens, or begins to, after `calm` of the measured time."""

    name: str
    pods: int
    slowed: int = 0
    """This many pods, the first ones, become SLOWDOWN times slower midway."""
    joining: int = 0
    """This many pods, the last ones, join midway."""
    replaced: bool = False
    """Every pod is replaced by a new one, a few at a time."""
    cold_start_s: float = 3.0
    """How long a new pod loads before it can serve its first request, when pods are replaced."""
    surge: float = 0.25
    """Which part of the pods is replaced at a time: a Deployment's default `maxSurge`, with `maxUnavailable: 0`."""
    calm: float = 0.5
    """Which part of the measured time comes before the event."""

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
            case "cold-start":
                return cls(name, pods, replaced=True, calm=0.25)
        raise ValueError(f"no scenario {name!r}")

    @property
    def initial(self) -> int:
        """How many pods there are at the start."""
        return self.pods - self.joining

    @property
    def contenders(self) -> tuple[str, ...]:
        """What is compared; the last is what we recommend."""
        return (COLD, SLOW_START, WARM) if self.replaced else BALANCERS

    @property
    def batch(self) -> int:
        """How many pods are replaced at a time; rounded up, as Kubernetes does."""
        return math.ceil(self.pods * self.surge)

    @property
    def shortest_duration_s(self) -> float:
        """In less, new pods that do nothing but their cold start would not all be there before the load ends."""
        batches = math.ceil(self.pods / self.batch) if self.replaced else 0
        return batches * self.cold_start_s / (1 - self.calm)

    @property
    def default_duration_s(self) -> float:
        """How long to measure each contender when nobody says."""
        return 28.0 if self.replaced else 8.0

    def event_at_s(self, duration_s: float) -> float:
        """When the event happens, in seconds from the start of a measurement of `duration_s`."""
        return duration_s * self.calm

    @property
    def event(self) -> str | None:
        """What happens after the calm part, for people; None if nothing does."""
        if self.slowed:
            return f"one pod becomes {SLOWDOWN:g}× slower"
        if self.joining:
            return f"{self.joining} {'pod joins' if self.joining == 1 else 'pods join'}"
        if self.replaced:
            return f"all pods are replaced, each with {self.cold_start_s:g} s of cold start"
        return None
