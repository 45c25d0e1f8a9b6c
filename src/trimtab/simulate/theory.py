"""What queueing theory says of fleets of servers that work on one request at a time, first come, first served.

Arrivals are Poisson, service times exponential with mean 1, which is the unit of every time here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_ITERATIONS: Final = 60
"""Of a bisection: to the last bit of a float."""
_NEGLIGIBLE: Final = 1e-15


@dataclass(frozen=True, slots=True)
class Latency:
    """From the arrival of a request until it is done."""

    mean: float
    p99: float


def single_queue(utilisation: float) -> Latency:
    """M/M/1, which every server is if requests go to random ones: exponential with mean 1 / (1 - utilisation)."""
    mean = 1 / (1 - utilisation)
    return Latency(mean, mean * math.log(100))


def round_robin(utilisation: float, servers: int) -> Latency:
    """One client that sends to `servers` in turn: the gaps at each are sums of so many, which is GI/M/1 (Kleinrock 1975, chapter 6).

    A request has to wait with probability s = E[exp(-(1 - s) gap)]; latency is exponential with mean 1 / (1 - s).
    """
    waits, before = 0.0, 1.0
    while abs(waits - before) > _NEGLIGIBLE:
        waits, before = (servers * utilisation / (servers * utilisation + 1 - waits)) ** servers, waits
    mean = 1 / (1 - waits)
    return Latency(mean, mean * math.log(100))


def supermarket(utilisation: float, choices: int) -> Latency:
    """The least loaded of so many random servers, of infinitely many (Mitzenmacher 2001): a share
    utilisation ** ((choices ** k - 1) / (choices - 1)) of them holds k requests or more."""
    at_least = [1.0]
    while at_least[-1] > _NEGLIGIBLE:
        busy = utilisation ** ((choices ** len(at_least) - 1) / (choices - 1))
        # All that were drawn hold as many, so the one that is taken does.
        at_least.append(busy**choices)
    return found(at_least)


def found(at_least: Sequence[float]) -> Latency:
    """Of requests that find k others or more at their server with probability `at_least[k]`.

    One that finds k waits for k service times, all of them exponential whatever passed of the first, and is served in another:
    a sum of k + 1.
    """

    def longer(time: float) -> float:
        # The sum of k + 1 exceeds `time` if at most k events of a Poisson process fit into it.
        term, share = math.exp(-time), 0.0
        for index, probability in enumerate(at_least):
            share += term * probability
            term *= time / (index + 1)
        return share

    low, high = 0.0, 1.0
    while longer(high) > 0.01:
        low, high = high, 2 * high
    for _ in range(_ITERATIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if longer(middle) > 0.01 else (low, middle)
    return Latency(sum(at_least), high)
