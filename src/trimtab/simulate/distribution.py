"""How long a request works on a pod of speed 1. Every distribution is given by its mean."""

import itertools
import math
import random
from bisect import bisect_right
from collections.abc import Callable, Mapping

Draw = Callable[[random.Random], float]
"""One draw, in the unit of the mean."""


def constant(mean: float) -> Draw:
    """Always the same."""
    return lambda rng: mean


def exponential(mean: float) -> Draw:
    """The M in M/M/1: what queueing theory has tables for."""
    log = math.log
    # `Random.expovariate` is the same with a check of its argument; this is the hot path.
    return lambda rng: -log(1.0 - rng.random()) * mean


def uniform(mean: float) -> Draw:
    """Anything from nothing to twice the mean."""
    return lambda rng: rng.random() * mean * 2


def lognormal(mean: float, sigma: float) -> Draw:
    """A tail as services have it; `sigma` of the logarithm: at 0.8 the 99th percentile is 4.7 times the mean."""
    mu = math.log(mean) - sigma**2 / 2
    return lambda rng: rng.lognormvariate(mu, sigma)


def truncated_normal(mean: float, deviation: float) -> Draw:
    """A normal distribution without its negative part, which is drawn again (Prequal's testbed: deviation = mean).

    `mean` and `deviation` are those of the untruncated normal: the mean of the draws is larger.
    """

    def draw(rng: random.Random) -> float:
        while (value := rng.gauss(mean, deviation)) < 0:
            pass
        return value

    return draw


def quantiles(points: Mapping[float, float]) -> Draw:
    """Given by its quantiles (share of requests to value, 0 and 1 included), linear in between."""
    shares, values = zip(*points.items(), strict=True)
    slopes = [
        (upper - lower) / (end - start)
        for (start, lower), (end, upper) in itertools.pairwise(zip(shares, values, strict=True))
    ]

    def draw(rng: random.Random) -> float:
        share = rng.random()
        index = bisect_right(shares, share) - 1
        return float(values[index] + (share - shares[index]) * slopes[index])

    return draw


def mean(draw: Draw, draws: int = 20_000) -> float:
    """The mean of a distribution, by drawing."""
    rng = random.Random("mean")
    return sum(draw(rng) for _ in range(draws)) / draws
