"""Estimates from one run that know how lucky the run was.

A run of a fleet of M/M/1 queues is off mostly because of what it was given: more requests than its rate, more work in them than
on average, more of it in bursts. All of that can be seen in the run, and what it is on average is known. How latency moves with
it from part to part of the run is a regression, which takes the luck out of the estimate: of the variance of fleets with one
client this leaves a fiftieth. No contender can gain by it: what is controlled is what requests asked and found, not where they went.

Law, "Simulation Modeling and Analysis", on control variates; Henderson and Glynn 2002, "Approximating martingales for variance
reduction in Markov process simulation", on those that follow from a process' generator; Hsu and Nelson 1990 for quantiles.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .statistics import Columns, Floats, Interval, interval
from .theory import Latency

Indices = NDArray[np.int64]
_BATCHES: Final = 64
_T: Final = 2.0
"""Student's t, 97.5th percentile, for the degrees of freedom that so many batches leave."""
_TAIL: Final = 0.01
_POWERS: Final = 3
"""Powers of the number of requests in the fleet that are balanced: 0, 1, 2."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Every request of a run, in order of arrival. Times in mean service times."""

    arrived: Floats
    latency: Floats
    demand: Floats
    pod: Indices
    found: Indices
    """How many others were at the same pod."""

    @classmethod
    def of(cls, columns: Columns, unit_s: float) -> "Requests":
        """From the rows of pods that work on one request at a time, in order of their ends, from the beginning of the run on."""
        arrived, latency = columns.started_s / unit_s, columns.latency_s / unit_s
        ended = arrived + latency
        demand, found = np.empty_like(ended), np.empty(len(ended), dtype=np.int64)
        by_pod = np.argsort(columns.pod, kind="stable")
        for rows in np.split(by_pod, np.flatnonzero(np.diff(columns.pod[by_pod])) + 1):
            begun = np.maximum(arrived[rows], np.concatenate(([0.0], ended[rows][:-1])))
            demand[rows] = ended[rows] - begun
            found[rows] = np.arange(len(rows)) - np.searchsorted(ended[rows], arrived[rows])
        order = np.argsort(arrived, kind="stable")
        return cls(arrived[order], latency[order], demand[order], columns.pod[order].astype(np.int64), found[order])


@dataclass(frozen=True, slots=True)
class Estimates:
    """Mean and 99th percentile of latency."""

    mean: Interval
    p99: Interval


def estimate(
    requests: Requests,
    servers: int,
    utilisation: float,
    from_: float,
    expected: Latency,
    turns: Indices | None = None,
) -> Estimates:
    """From the requests that arrived from `from_` on. What is `expected` makes controls better or worse, not the estimate right or
    wrong.

    With `turns` they are compared with a fleet where each request certainly goes to the server given for it, and which is known to
    show what is expected: of a fleet that is meant to do so nothing is then left to luck, and of another nothing is gained.
    """
    rows = requests.arrived >= from_
    latency = requests.latency[rows]
    if turns is not None:
        return _compared(latency, _in_turn(requests, turns)[rows], expected)
    regression = _Regression(_controls(requests, servers, utilisation, expected.p99)[:, rows])
    return Estimates(regression.mean(latency), _quantile(latency, regression))


class _Regression:
    """How means of parts of the run move with what those parts were given."""

    def __init__(self, controls: NDArray[np.float64]) -> None:
        count = controls.shape[1]
        self._starts = np.arange(_BATCHES) * count // _BATCHES
        self._sizes = np.diff(self._starts, append=count)
        given = np.stack([self._by_part(control) for control in controls], axis=1)
        # Of one size, so that none is lost among the digits of another.
        self._given = np.column_stack([np.ones(_BATCHES), given / np.abs(given).max(axis=0)])
        self._inverse = np.linalg.pinv(self._given)
        self._leverage = float(self._inverse[0] @ self._inverse[0])

    def mean(self, values: Floats) -> Interval:
        """The mean of `values` where all controls are at their averages, which is zero."""
        means = self._by_part(values)
        coefficients = self._inverse @ means
        rest = means - self._given @ coefficients
        variance = float(rest @ rest) / (_BATCHES - self._given.shape[1])
        return Interval(float(coefficients[0]), _T * (variance * self._leverage) ** 0.5)

    def _by_part(self, values: Floats) -> Floats:
        means: Floats = np.add.reduceat(values, self._starts) / self._sizes
        return means


def _quantile(latency: Floats, regression: _Regression) -> Interval:
    """What a share of _TAIL exceeds, by bisection among what was seen."""
    seen = np.sort(latency)[-int(len(latency) * 3 * _TAIL) :]
    low, high = 0, len(seen) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if regression.mean((latency > seen[middle]).astype(float)).value > _TAIL:
            low = middle
        else:
            high = middle
    # The interval of the tail's weight, in the latencies that weigh as much.
    off = int(regression.mean((latency > seen[high]).astype(float)).half_width * len(latency))
    width = float(seen[min(high + off, len(seen) - 1)] - seen[max(high - off, 0)])
    return Interval(float(seen[high]), width / 2)


def _controls(requests: Requests, servers: int, utilisation: float, near: float) -> NDArray[np.float64]:
    """Whatever can be said of each request that is zero on average, whoever chose."""
    return np.stack(
        [
            requests.demand - 1,
            # A request that finds k others is done after k + 1 service times, of which nobody knew anything.
            requests.latency - (requests.found + 1),
            (requests.latency > near) - _longer(near, requests.found),
            *_balances(requests, servers * utilisation),
        ]
    )


def _balances(requests: Requests, rate: float) -> NDArray[np.float64]:
    """What comes in less what goes out, by how many requests are in the fleet, between one arrival and the next.

    With N requests at it and B servers at work, `rate` a second come and B a second are done: so of any function g
    rate * g(N) - B * g(N - 1) is zero on average, because that is what the sum of g up to N grows by. How many servers are idle at
    which N is what tells a good contender from a bad one; how often a run has seen which N is luck.
    """
    count = len(requests.arrived)
    ended = requests.arrived + requests.latency
    times = np.concatenate([requests.arrived, ended, ended - requests.demand])
    order = np.argsort(times, kind="stable")
    coming, done, begun = order < count, (order >= count) & (order < 2 * count), order >= 2 * count
    inside, working = np.cumsum(coming * 1.0 - done), np.cumsum(begun * 1.0 - done)
    time = np.diff(times[order], append=times[order[-1]])
    # The usual number is 1, so that powers are of one size.
    usual = float(inside @ time) / float(time.sum())
    balances = []
    for power in range(_POWERS):
        grows = (rate * (inside / usual) ** power - working * ((inside - 1) / usual) ** power) * time
        total = np.concatenate(([0.0], np.cumsum(grows[:-1])))
        balances.append(np.diff(total[coming], prepend=0.0))
    return np.stack(balances)


def _longer(near: float, found: Indices) -> Floats:
    """How likely the sum of `found` + 1 exponential times is longer: as likely as at most `found` events of a Poisson process."""
    counts = np.arange(1, found.max() + 1)
    fit: Floats = np.cumsum(np.concatenate(([1.0], np.cumprod(near / counts)))) * np.exp(-near)
    return fit[found]


def _in_turn(requests: Requests, turns: Indices) -> Floats:
    """Latencies of servers to whom the same requests go in turn."""
    latency = np.empty_like(requests.demand)
    by_server = np.argsort(turns, kind="stable")
    for rows in np.split(by_server, np.flatnonzero(np.diff(turns[by_server])) + 1):
        latency[rows] = _waits(requests.arrived[rows], requests.demand[rows]) + requests.demand[rows]
    return latency


def _compared(latency: Floats, other: Floats, expected: Latency) -> Estimates:
    """Of the same requests in another fleet, of which it is known what is expected."""

    def off(measure: Callable[[Floats], np.float64]) -> Interval:
        parts = zip(np.array_split(latency, _BATCHES), np.array_split(other, _BATCHES), strict=True)
        half_width = interval(np.array([measure(here) - measure(there) for here, there in parts])).half_width
        return Interval(float(measure(latency) - measure(other)), half_width)

    mean, p99 = off(np.mean), off(lambda values: np.quantile(values, 1 - _TAIL))
    return Estimates(
        Interval(expected.mean + mean.value, mean.half_width), Interval(expected.p99 + p99.value, p99.half_width)
    )


def _waits(arrived: Floats, demand: Floats) -> Floats:
    """Lindley's recursion: what a request finds is what the one before it found and brought, less what was done in between."""
    walk = np.concatenate(([0.0], np.cumsum(demand[:-1] - np.diff(arrived))))
    waits: Floats = walk - np.minimum.accumulate(walk)
    return waits
