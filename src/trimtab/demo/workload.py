"""The load: who sends what when. A pure function of the seed, so every contender gets the same.

Arrivals are a Poisson process per client and do not wait for answers (open loop): a slow answer delays nobody's next
request, as with real users. Service times are lognormal: a tail, but no monsters.
"""

import heapq
import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from .shop import Order

WORKERS_PER_POD: Final = 8
"""Requests a pod serves at a time; the others queue."""
UTILISATION: Final = 0.6
"""Mean share of busy workers, were the load spread evenly over all pods."""
WARM_UP_S: Final = 0.5
_MEAN_DEMAND_S: Final = 0.060
_SIGMA: Final = 0.8
"""Of the lognormal distribution: the 99th percentile is 4.7 times the mean."""
_MAX_REQUESTS_PER_S: Final = 960.0
"""What two cores carry with room to spare; beyond it, requests become longer instead of more."""


class Arrival(NamedTuple):
    """One request to be sent."""

    at_s: float
    """Seconds from the start of the measurement; negative while warming up."""
    client: int
    order: Order


@dataclass(frozen=True, slots=True)
class Load:
    """How much is asked of all pods together."""

    requests_per_s: float
    mean_demand_s: float
    duration_s: float

    @classmethod
    def of(cls, pods: int, duration_s: float) -> "Load":
        """The load that keeps `pods` pods at the mean utilisation."""
        busy_workers = UTILISATION * pods * WORKERS_PER_POD
        requests_per_s = min(busy_workers / _MEAN_DEMAND_S, _MAX_REQUESTS_PER_S)
        return cls(requests_per_s, busy_workers / requests_per_s, duration_s)


def arrivals(load: Load, seed: int, clients: int, mine: Iterable[int]) -> Iterator[Arrival]:
    """What the clients `mine` out of `clients` send, in order of time."""
    rate = load.requests_per_s / clients
    return heapq.merge(*(_arrivals_of(client, rate, load, seed) for client in mine))


def _arrivals_of(client: int, requests_per_s: float, load: Load, seed: int) -> Iterator[Arrival]:
    rng = random.Random(f"{seed}/arrivals/{client}")
    mu = math.log(load.mean_demand_s) - _SIGMA**2 / 2
    at_s = rng.expovariate(requests_per_s) - WARM_UP_S
    while at_s < load.duration_s:
        yield Arrival(at_s, client, Order(rng.lognormvariate(mu, _SIGMA), measured=at_s >= 0))
        at_s += rng.expovariate(requests_per_s)
