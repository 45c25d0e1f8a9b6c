"""What clients ask for: kinds of requests, and how long each works on a pod of speed 1."""

import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

from ..balance import Request
from . import distribution
from .distribution import Draw
from .scenario import RequestKind, ServiceTime

_MS = 1e-3


class Work:
    """A mix of request kinds."""

    def __init__(self, kinds: Sequence[RequestKind]) -> None:
        requests = [Request(kind.method) for kind in kinds]
        demands = [demand(kind.service_time) for kind in kinds]
        total = sum(kind.share for kind in kinds)
        self.mean_s = sum(
            kind.share / total * distribution.mean(draw) for kind, draw in zip(kinds, demands, strict=True)
        )
        """Mean demand of a request."""
        self.draw: Callable[[random.Random], tuple[Request, float]] = (
            _one(requests[0], demands[0]) if len(kinds) == 1 else _mix(requests, demands, [k.share for k in kinds])
        )
        """One request and its demand in seconds."""


def demand(service_time: ServiceTime) -> Draw:
    """The distribution that a scenario describes, in seconds."""
    mean_s = service_time.mean_ms * _MS
    match service_time.distribution:
        case "constant":
            return distribution.constant(mean_s)
        case "exponential":
            return distribution.exponential(mean_s)
        case "lognormal":
            return distribution.lognormal(mean_s, service_time.sigma)
        case "truncated-normal":
            return distribution.truncated_normal(mean_s, service_time.deviation_ms * _MS)
        case "uniform":
            return distribution.uniform(mean_s)
        case "quantiles":
            points = service_time.quantiles_ms.items()
            return distribution.quantiles({float(share): value * _MS for share, value in points})


def _one(request: Request, draw: Draw) -> Callable[[random.Random], tuple[Request, float]]:
    return lambda rng: (request, draw(rng))


def _mix(
    requests: Sequence[Request], demands: Sequence[Draw], shares: Sequence[float]
) -> Callable[[random.Random], tuple[Request, float]]:
    bounds = list(accumulate(shares))

    def draw(rng: random.Random) -> tuple[Request, float]:
        index = bisect_right(bounds, rng.random() * bounds[-1])
        return requests[index], demands[index](rng)

    return draw
