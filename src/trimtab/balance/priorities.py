"""How calls spread over priorities when the first ones are not healthy enough: Envoy's arithmetic.

Envoy docs, "Priority levels" and "Panic threshold". A priority of which 72 % is healthy still takes everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

OVERPROVISIONING = 140
"""Percent. A priority has so much more than it needs (`overprovisioning_factor`)."""
PANIC_BELOW = 50
"""Percent of healthy endpoints (`healthy_panic_threshold`)."""
_ALL = 100


@dataclass(frozen=True, slots=True)
class Standing:
    """The endpoints of one priority, counted."""

    healthy: int
    total: int
    """The healthy ones and those that were and are not."""


@dataclass(frozen=True, slots=True)
class Spread:
    """What one priority gets."""

    load: int
    """Percent of all calls."""
    panic: bool
    """So few endpoints are healthy that those which are not must help."""


def spread(standings: Sequence[Standing]) -> tuple[Spread, ...]:
    """The load of each priority, the first one first. Adds up to 100 where there is anybody."""
    healths = [_health(standing) for standing in standings]
    available = min(_ALL, sum(healths))
    panics = [
        (available < _ALL and standing.healthy * 100 < PANIC_BELOW * standing.total) or not standing.total
        for standing in standings
    ]
    if all(panics):
        # Nobody is fit: everybody gets what is theirs by number.
        everybody = sum(standing.total for standing in standings)
        loads = _loads([standing.total * _ALL // everybody if everybody else 0 for standing in standings])
    else:
        loads = _loads([health * _ALL // available for health in healths])
    return tuple(Spread(load, panic) for load, panic in zip(loads, panics, strict=True))


def _health(standing: Standing) -> int:
    return min(_ALL, OVERPROVISIONING * standing.healthy // standing.total) if standing.total else 0


def _loads(wanted: Sequence[int]) -> list[int]:
    left = _ALL
    loads = []
    for share in wanted:
        loads.append(min(left, share))
        left -= loads[-1]
    first = next((index for index, load in enumerate(loads) if load), None)
    if first is not None:
        # What rounding left over.
        loads[first] += left
    return loads
