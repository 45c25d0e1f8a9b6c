"""Estimates from one run that know how lucky the run was.

A run of a fleet of M/M/1 queues is off mostly because of what it was given: more requests than its rate, more work in them than
on average, more of it in bursts. All of that can be seen in the run, and what it is on average is known. How latency moves with
it from part to part of the run is a regression, which takes the luck out of the estimate; of the variance of fleets with one
client this leaves a twentieth. No contender can gain by it: what is controlled is what requests asked, not where they went.

Law, "Simulation Modeling and Analysis", on control variates; Hsu and Nelson 1990 for quantiles.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .statistics import Columns, Floats, Interval
from .theory import round_robin

_BATCHES: Final = 48
_T: Final = 2.0
"""Student's t, 97.5th percentile, for the degrees of freedom that so many batches leave."""
_TAIL: Final = 0.01


@dataclass(frozen=True, slots=True)
class Requests:
    """Every request of a run, in order of arrival. Times in mean service times."""

    arrived: Floats
    latency: Floats
    demand: Floats
    found: NDArray[np.int64]
    """How many others were at the same pod."""

    @classmethod
    def of(cls, columns: Columns, unit_s: float) -> "Requests":
        """From the rows of pods that work on one request at a time, in order of their ends, from the beginning of the run on."""
        arrived, latency = columns.started_s / unit_s, columns.latency_s / unit_s
        ended = arrived + latency
        demand, found = np.empty_like(ended), np.empty(len(ended), dtype=np.int64)
        for pod in np.unique(columns.pod):
            rows = np.flatnonzero(columns.pod == pod)
            begun = np.maximum(arrived[rows], np.concatenate(([0.0], ended[rows][:-1])))
            demand[rows] = ended[rows] - begun
            found[rows] = np.arange(len(rows)) - np.searchsorted(ended[rows], arrived[rows])
        order = np.argsort(arrived, kind="stable")
        return cls(arrived[order], latency[order], demand[order], found[order])


@dataclass(frozen=True, slots=True)
class Estimates:
    """Mean and 99th percentile of latency."""

    mean: Interval
    p99: Interval


def estimate(
    requests: Requests, servers: int, utilisation: float, from_: float, near: float, in_turn: bool = False
) -> Estimates:
    """From the requests that arrived from `from_` on. `near` is where p99 is believed to be: it makes controls better or worse, not
    the estimate right or wrong.

    With `in_turn` they are compared with a fleet that certainly works on them in turn, of which everything is known: of a fleet
    that is meant to do so nothing is then left to luck, and of another nothing is gained.
    """
    rows = requests.arrived >= from_
    latency = requests.latency[rows]
    controls = _controls(requests, servers, utilisation, near)
    if in_turn:
        controls = np.concatenate((controls, _in_turn(requests, servers, utilisation, near)))
    regression = _Regression(controls[:, rows])
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
    gap = np.diff(requests.arrived, prepend=0.0) * servers * utilisation - 1
    # One queue as fast as all servers together, given the same work.
    slack, together = servers * (1 - utilisation), _waits(requests.arrived, requests.demand / servers)
    return np.stack(
        [
            gap,
            requests.demand - 1,
            together - utilisation / slack,
            together**2 - 2 * utilisation / slack**2,
            (together > np.log(utilisation / _TAIL) / slack) - _TAIL,
            # A request that finds k others is done after k + 1 service times, of which nobody knew anything.
            requests.latency - (requests.found + 1),
            (requests.latency > near) - _longer(near, requests.found),
        ]
    )


def _longer(near: float, found: NDArray[np.int64]) -> Floats:
    """How likely the sum of `found` + 1 exponential times is longer: as likely as at most `found` events of a Poisson process."""
    counts = np.arange(1, found.max() + 1)
    fit: Floats = np.cumsum(np.concatenate(([1.0], np.cumprod(near / counts)))) * np.exp(-near)
    return fit[found]


def _in_turn(requests: Requests, servers: int, utilisation: float, near: float) -> NDArray[np.float64]:
    """Latencies of servers to whom the same requests go in turn, less what theory says of them."""
    latency = np.empty_like(requests.demand)
    for server in range(servers):
        arrived, demand = requests.arrived[server::servers], requests.demand[server::servers]
        latency[server::servers] = _waits(arrived, demand) + demand
    mean = round_robin(utilisation, servers).mean
    return np.stack([latency - mean, (latency > near) - np.exp(-near / mean)])


def _waits(arrived: Floats, demand: Floats) -> Floats:
    """Lindley's recursion: what a request finds is what the one before it found and brought, less what was done in between."""
    walk = np.concatenate(([0.0], np.cumsum(demand[:-1] - np.diff(arrived))))
    waits: Floats = walk - np.minimum.accumulate(walk)
    return waits
