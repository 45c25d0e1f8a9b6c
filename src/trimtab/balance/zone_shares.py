"""Which share of a client's calls belongs in which zone when nobody is overloaded, and why.

The control plane's weights say it for endpoints that are all well. What a zone cannot take, because its endpoints are not
connected, fail, or are in slow start, goes to the others by what they can take. A zone has 1.4 times what it needs, as a
priority has (Envoy's overprovisioning factor).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .priorities import OVERPROVISIONING

CAPACITY = "capacity"
"""The zone of the client has too few endpoints for its clients, those in slow start counting less."""
HEALTH = "health"
"""Endpoints of the client's zone are not connected, are ejected or fail."""
NO_LOCAL = "no-local"
"""No healthy endpoint is in the zone of the client."""
OVERLOAD = "overload"
"""Calls take too long in the client's zone."""
PROBE = "probe"
"""To know how long calls take elsewhere."""
REASONS = (CAPACITY, OVERLOAD, HEALTH, NO_LOCAL, PROBE)
"""Why a call leaves the client's zone."""

_PROBES = 0.005
"""The least share of calls that leaves the client's zone."""
_ALIKE = 0.02
"""Weights that differ by less from capacity are as capacity."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One zone of one priority, as this client sees it."""

    weight: int
    """The control plane's."""
    listed: float
    """What its healthy endpoints could take, by weight, those that connect for the first time left out."""
    well: float
    """The part of it that is connected, not ejected and does not fail."""
    capacity: float
    """The part of that which slow start does not hold back."""


@dataclass(frozen=True, slots=True)
class Part:
    """A share of the calls."""

    zone: str
    share: float
    reason: str = ""
    """Why it leaves the client's zone; empty: it does not."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How the calls of one priority spread over zones."""

    parts: tuple[Part, ...]
    flat: bool
    """Weights are as capacity: the control plane prefers no zone, so zones are no matter."""
    why: str
    """Why calls leave the client's zone, where it is flat or the client's zone is not among it."""
    shares: Mapping[str, float]
    """Where calls belong by zone, probes not counted."""

    @property
    def by_zone(self) -> Mapping[str, float]:
        """Where calls go by zone, probes counted."""
        found: dict[str, float] = {}
        for part in self.parts:
            found[part.zone] = found.get(part.zone, 0.0) + part.share
        return found


def spread(home: str, standings: Mapping[str, Standing], absent: str) -> Spread:
    """The spread of a client in `home` (empty: not known) over zones of which at least one has capacity.

    `absent` is why calls leave the client's zone where this priority has no healthy endpoint in it.
    """
    local = standings.get(home)
    is_there = local is not None and local.listed > 0
    found = _parts(home, standings, "" if is_there else absent)
    parts = _probing(home, found, standings)
    shares: dict[str, float] = {}
    for (zone, _), share in found.items():
        shares[zone] = shares.get(zone, 0.0) + share
    return Spread(
        tuple(Part(zone, share, why) for (zone, why), share in parts.items()),
        _flat(standings),
        CAPACITY if is_there else absent,
        shares,
    )


def _flat(standings: Mapping[str, Standing]) -> bool:
    weights = sum(standing.weight for standing in standings.values())
    listed = sum(standing.listed for standing in standings.values())
    return all(abs(s.weight / weights - s.listed / listed) < _ALIKE for s in standings.values())


def _parts(home: str, standings: Mapping[str, Standing], absent: str) -> Mapping[tuple[str, str], float]:
    """Shares by zone and reason."""
    total = sum(standing.weight for standing in standings.values())
    found: dict[tuple[str, str], float] = {}

    def add(zone: str, reason: str, share: float) -> None:
        if share > 0:
            why = "" if zone == home or not home else absent or reason
            found[zone, why] = found.get((zone, why), 0.0) + share

    for zone, standing in standings.items():
        belongs = standing.weight / total
        well, able = _able(standing.well, standing.listed), _able(standing.capacity, standing.listed)
        others = {name: other.capacity for name, other in standings.items() if name != zone and other.capacity}
        if not others:
            add(zone, CAPACITY, belongs)
            continue
        add(zone, CAPACITY, belongs * able)
        for name, capacity in others.items():
            part = belongs * capacity / sum(others.values())
            add(name, HEALTH if zone == home else CAPACITY, part * (1.0 - well))
            add(name, CAPACITY, part * (well - able))
    return found


def _able(part: float, listed: float) -> float:
    return min(1.0, OVERPROVISIONING / 100 * part / listed) if listed else float(part > 0)


def _probing(
    home: str, found: Mapping[tuple[str, str], float], standings: Mapping[str, Standing]
) -> Mapping[tuple[str, str], float]:
    """With the few calls that tell how things are elsewhere, where there are fewer."""
    local = found.get((home, ""), 0.0)
    missing = _PROBES - (sum(found.values()) - local)
    others = {name: other.capacity for name, other in standings.items() if name != home and other.capacity}
    if not home or missing <= 0 or not others:
        return found
    probes = {(name, PROBE): missing * capacity / sum(others.values()) for name, capacity in others.items()}
    return {**found, (home, ""): local - missing, **probes}
