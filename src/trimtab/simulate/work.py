"""How much work requests are, and what their callers say of them."""

import random
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

from ..balance import Request
from . import distribution
from .call import Call
from .distribution import Draw
from .pod import WorkOn
from .request_kind import Attribute, Cache, RequestKind, ServiceTime
from .scenario import PodGroup

_MS = 1e-3

Ask = Callable[[random.Random], tuple[Request, float]]
"""One request and its demand in seconds."""


class Work:
    """A mix of request kinds."""

    def __init__(self, kinds: Sequence[RequestKind]) -> None:
        asks = [_ask(kind) for kind in kinds]
        total = sum(kind.share for kind in kinds)
        self.mean_s = sum(kind.share / total * mean_s(kind.service_time) for kind in kinds)
        """Mean demand of a request."""
        self.draw: Ask = asks[0] if len(kinds) == 1 else _mix(asks, [kind.share for kind in kinds])
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


def mean_s(service_time: ServiceTime) -> float:
    """The mean of that distribution, in seconds."""
    if service_time.distribution in ("truncated-normal", "quantiles"):
        return distribution.mean(demand(service_time))
    return service_time.mean_ms * _MS


def work_on(group: PodGroup, rng: random.Random) -> WorkOn | None:
    """How long a pod of `group`, of speed 1, works on a call; None: as long as the call demands."""
    work: WorkOn | None = None
    if group.service_time is not None:
        draw = demand(group.service_time)

        def work(call: Call) -> float:
            return draw(rng)

    return work if group.cache is None else _Remembering(group.cache, work).work_on


class _Remembering:
    """A pod's cache: the least recently asked for is forgotten."""

    def __init__(self, cache: Cache, otherwise: WorkOn | None) -> None:
        self._cache = cache
        self._otherwise = otherwise
        self._known: OrderedDict[object, None] = OrderedDict()

    def work_on(self, call: Call) -> float:
        full_s = call.demand_s if self._otherwise is None else self._otherwise(call)
        key, known = call.request.attributes.get(self._cache.attribute), self._known
        if key is None:
            return full_s
        if key in known:
            known.move_to_end(key)
            return full_s * self._cache.hit
        known[key] = None
        if len(known) > self._cache.entries:
            known.popitem(last=False)
        return full_s


def _ask(kind: RequestKind) -> Ask:
    draw = demand(kind.service_time)
    if not kind.attributes and kind.cost is None:
        request = Request(kind.method)
        return lambda rng: (request, draw(rng))
    values = {name: _value(attribute) for name, attribute in kind.attributes.items()}
    fixed = {} if kind.cost is None or kind.cost == "exact" else {"cost": kind.cost}

    def ask(rng: random.Random) -> tuple[Request, float]:
        demand_s = draw(rng)
        attributes: Mapping[str, object] = {**fixed, **{name: value(rng) for name, value in values.items()}}
        if kind.cost == "exact":
            attributes = {**attributes, "cost": demand_s / _MS}
        return Request(kind.method, attributes=attributes), demand_s

    return ask


def _value(attribute: Attribute) -> Callable[[random.Random], str]:
    names = [str(number) for number in range(attribute.values)]
    if not attribute.zipf:
        return lambda rng: names[int(rng.random() * len(names))]
    bounds = list(accumulate(number**-attribute.zipf for number in range(1, attribute.values + 1)))
    return lambda rng: names[bisect_right(bounds, rng.random() * bounds[-1])]


def _mix(asks: Sequence[Ask], shares: Sequence[float]) -> Ask:
    bounds = list(accumulate(shares))
    return lambda rng: asks[bisect_right(bounds, rng.random() * bounds[-1])](rng)
