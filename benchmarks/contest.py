"""Contenders measured in turns, so that whatever else the machine does hits all of them alike."""

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

Measure = Callable[[], Awaitable[float]]
"""Runs one contender once and returns what it cost."""


@dataclass(frozen=True, slots=True)
class Contest:
    """Costs per contender; entry i of every contender was measured in the same round."""

    costs: Mapping[str, Sequence[float]]

    def median(self, contender: str) -> float:
        return statistics.median(self.costs[contender])

    def ratios(self, contender: str, baseline: str) -> list[float]:
        """Cost of `contender` relative to `baseline`, one number per round, sorted."""
        pairs = zip(self.costs[contender], self.costs[baseline], strict=True)
        return sorted(cost / base for cost, base in pairs)


async def interleave(contenders: Mapping[str, Measure], rounds: int) -> Contest:
    """`rounds` measurements of each contender; every other round in reverse order, the first is thrown away."""
    costs: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    for name in order:
        await contenders[name]()
    for round_number in range(rounds):
        for name in order if round_number % 2 else reversed(order):
            costs[name].append(await contenders[name]())
    return Contest(costs)


def quartiles(sorted_values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile."""
    low, middle, high = statistics.quantiles(sorted_values, n=4)
    return low, middle, high
