"""Estimates by how many requests are in the fleet, for contenders that know all of them.

A busy fleet has few ups and downs in a run, however many requests that run has: which numbers it has seen how often is luck, and latency
does not grow with them along a straight line, so that the regression of control_variates.py is off and does not know. But how often a
fleet has which number follows from what it does at each: requests come as often as they go across every border between two numbers
(Kelly 1979, "Reversibility and Stochastic Networks", on cuts), `rate` * share(k) = working(k + 1) * share(k + 1). How many servers work at
k is known exactly after few visits, and so is how many others a request finds then. More than were ever seen keep all servers
busy, and are as many more at each. What remains of chance is between visits to the same number, which are short.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .control_variates import Estimates, Requests
from .statistics import Floats, Interval
from .theory import Latency, found

_PARTS: Final = 20
"""Left out one after the other (jackknife), which says how far off the estimate may be."""
_T: Final = 2.1
"""Student's t, 97.5th percentile, for as many."""
_RARE: Final = 1e-8


def estimate(requests: Requests, servers: int, utilisation: float, from_: float) -> Estimates:
    """From the requests that arrived from `from_` on, by what they found: who finds k others takes k + 1 service times on average."""
    seen = _seen(requests, from_)
    whole = _latency(seen, np.ones(_PARTS, dtype=bool), servers, utilisation)
    others = [_latency(seen, np.arange(_PARTS) != part, servers, utilisation) for part in range(_PARTS)]

    def interval(value: float, without: Floats) -> Interval:
        variance = (_PARTS - 1) * float(np.var(without))
        # What is crooked about the estimate, as ratios are, makes half a run a little more wrong than a whole one.
        return Interval(_PARTS * value - (_PARTS - 1) * float(np.mean(without)), _T * math.sqrt(variance))

    return Estimates(
        interval(whole.mean, np.array([one.mean for one in others])),
        interval(whole.p99, np.array([one.p99 for one in others])),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a run showed, by its part and by how many requests were in the fleet."""

    time: NDArray[np.float64]
    working: NDArray[np.float64]
    """How long servers were at work, summed over them."""
    found: NDArray[np.int64]
    """How many requests found so many others at their server: the third axis."""


def _seen(requests: Requests, from_: float) -> _Seen:
    count, until = len(requests.arrived), requests.arrived[-1]
    ended = requests.arrived + requests.latency
    times = np.concatenate([requests.arrived, ended, ended - requests.demand])
    order = np.argsort(times, kind="stable")
    kind, times = order // count, times[order]
    inside = np.cumsum((kind == 0) * 1 - (kind == 1))
    at_work = np.cumsum((kind == 2) * 1 - (kind == 1))
    lasts = np.diff(times, append=times[-1])
    levels, most = int(inside.max()) + 1, int(requests.found.max()) + 1

    def part(at: Floats) -> NDArray[np.int64]:
        parts: NDArray[np.int64] = np.minimum((at - from_) / (until - from_) * _PARTS, _PARTS - 1).astype(np.int64)
        return parts

    rows = (times >= from_) & (times < until)
    cell = part(times[rows]) * levels + inside[rows]
    size, shape = _PARTS * levels, (_PARTS, levels)
    counts = requests.arrived >= from_
    arrived_in, there = part(requests.arrived[counts]), requests.found[counts]
    others = inside[kind == 0][counts] - 1
    return _Seen(
        np.bincount(cell, weights=lasts[rows], minlength=size).reshape(shape).astype(float),
        np.bincount(cell, weights=(lasts * at_work)[rows], minlength=size).reshape(shape).astype(float),
        np.bincount((arrived_in * levels + others) * most + there, minlength=size * most).reshape(*shape, most),
    )


def _latency(seen: _Seen, parts: NDArray[np.bool_], servers: int, utilisation: float) -> Latency:
    """From some parts of the run."""
    counts = seen.found[parts].sum(axis=0)
    beyond = math.ceil(math.log(_RARE) / math.log(utilisation))
    shares = _shares(seen.time[parts].sum(axis=0), seen.working[parts].sum(axis=0), servers, utilisation, beyond)
    finds = shares @ _finds(counts, servers, beyond)
    return found(np.cumsum(finds[::-1])[::-1].tolist())


def _shares(time: Floats, working: Floats, servers: int, utilisation: float, beyond: int) -> Floats:
    """How often there are so many requests in the fleet, from fewest to more than ever seen."""
    at_work = np.full(len(time) + beyond, float(servers))
    at_work[: len(time)][time > 0] = working[time > 0] / time[time > 0]
    fewest = int(np.argmax(time > 0))
    steps = np.log(servers * utilisation) - np.log(at_work[fewest + 1 :])
    heights = np.concatenate((np.full(fewest, -np.inf), [0.0], np.cumsum(steps)))
    shares: Floats = np.exp(heights - heights.max())
    shares /= shares.sum()
    return shares


def _finds(counts: NDArray[np.int64], servers: int, beyond: int) -> Floats:
    """How likely a request finds so many others at its server, by how many there are in the fleet."""
    levels, most = counts.shape
    finds = np.zeros((levels + beyond, most + beyond // servers + 1))
    visited = counts.sum(axis=1) > 0
    # Where nobody arrived it is as it was with the nearest number below.
    nearest = np.maximum.accumulate(np.where(visited, np.arange(levels), int(np.argmax(visited))))
    finds[:levels, :most] = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))[nearest]
    for level in range(int(np.flatnonzero(visited)[-1]) + 1, levels + beyond):
        finds[level, 1:] = finds[max(level - servers, 0), :-1]
    return finds
