"""How long calls take in a zone, and how many of this client's are usual there: what its nodes are compared by with others'.

Calls in flight alone cannot compare zones. A client sees only its own, and nearly all of them are at home, however calm the fleet
is. So what a call will take somewhere is estimated from how long calls take there, and from how far the node is above or below
what is usual for it:

    estimate = latency of the zone × (score of the node + unit) / (usual score in the zone + unit)

where `unit` is what a few calls add to a score.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from math import exp

from .node import Connectivity, Node

_MEMORY_S = 5.0
"""Time constant in which what was seen is forgotten."""
_FEW = 4.0
"""So many calls more or less than usual say little: in calm, single calls must not chase each other over zones."""
_PRIOR = 4.0
"""So many calls of average latency a zone is credited with: one slow call says nothing yet."""
_LOOKED_AT = 100
"""At most so many calls of one node that have not ended are looked at."""


class Zone:
    """One zone, at one priority, as this client knows it."""

    __slots__ = ("_calls", "_crowd", "_seen", "_time_s", "base", "calls", "gain", "name", "time_s")

    def __init__(self, name: str) -> None:
        self.name = name
        self.gain = 1.0
        self.base = 0.0
        """What a call to a node takes is estimated as `score × gain + base`."""
        self.calls = 0
        """Calls that were answered. Threads may lose some."""
        self.time_s = 0.0
        """What calls took, those too that failed or were given up: a zone that answers little for its time is slow."""
        self._seen = (0, 0.0)
        self._calls = self._time_s = self._crowd = 0.0

    def age(self, crowd: float, share: float) -> None:
        """Forget `share` of what was seen, and take in what is new; `crowd` is the mean score of the nodes now."""
        calls, time_s = self.calls, self.time_s
        self._calls += calls - self._seen[0] - share * self._calls
        self._time_s += time_s - self._seen[1] - share * self._time_s
        self._crowd += share * (crowd - self._crowd)
        self._seen = calls, time_s

    def totals(self, unfinished_s: float) -> tuple[float, float]:
        """Calls and seconds remembered, calls that have not ended included."""
        return self._calls, self._time_s + unfinished_s

    def calibrate(self, latency_s: float, unit: float) -> None:
        """From now on nodes are estimated by this."""
        gain = latency_s / (self._crowd + unit)
        self.gain, self.base = gain, unit * gain


def zone_name(node: Node) -> str:
    """The zone of a node; empty where zones make no difference."""
    return "" if node.zone is None else node.zone.name


def calibrate(nodes: Iterable[Node], now: float, elapsed_s: float) -> None:
    """Bring the estimates of the nodes' zones up to date."""
    groups: dict[Zone, list[Node]] = {}
    for node in nodes:
        if node.zone is not None and node.connectivity is Connectivity.READY:
            groups.setdefault(node.zone, []).append(node)
    forgotten = 1.0 - exp(-elapsed_s / _MEMORY_S)
    scores = {
        zone: sum(node.relative_load if node.held else node.score for node in members)
        for zone, members in groups.items()
    }
    seen = {}
    for zone, members in groups.items():
        zone.age(scores[zone] / len(members), forgotten)
        seen[zone] = zone.totals(_unfinished_s(members, now))
    calls, time_s = (sum(column) for column in zip(*seen.values(), strict=True)) if seen else (0.0, 0.0)
    if not calls or not time_s:
        return
    known = [node for members in groups.values() for node in members]
    usual_s, unit = time_s / calls, _unit(known, sum(scores.values()))
    for zone, (zone_calls, zone_time_s) in seen.items():
        zone.calibrate((zone_time_s + _PRIOR * usual_s) / (zone_calls + _PRIOR), unit)


def _unfinished_s(nodes: Iterable[Node], now: float) -> float:
    """How long the calls have taken that have not ended."""
    return sum(
        now - pick.started_at
        for node in nodes
        if node.outstanding
        for pick in islice(tuple(node.outstanding), _LOOKED_AT)
    )


def _unit(nodes: Sequence[Node], score: float) -> float:
    """What a few calls add to a score; `score` is that of all nodes together."""
    in_flight = sum(len(node.outstanding) for node in nodes)
    if not score:
        return _FEW * sum(node.factor for node in nodes) / len(nodes)
    # Where latency is the load, idle nodes have a score too: about what a call adds to it.
    return _FEW * score / (in_flight or len(nodes))
