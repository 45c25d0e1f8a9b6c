"""Which part of a large fleet one client uses: a deterministic aperture (after finagle's).

With many clients and many endpoints each client has next to nothing in flight on most of them, and choosing by load becomes
choosing by chance. In a part of the fleet that few clients share, loads say something again. The parts must be even: where
random parts overlap more than elsewhere, endpoints are overloaded. So endpoints form a ring that is the same for everybody, and
each client uses the stretch that begins at its seat, which the control plane gives it (docs/adr/0040).
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import ceil, exp, floor

from ..model import Assignment, Endpoint, Health, LocalityEndpoints, Policy, Seat
from .node import Connectivity, Node
from .subset import Ranked, subset

Identity = tuple[str, int, str]

BUSY_ABOVE = 0.5
"""Calls in flight per endpoint of the whole fleet. A pair of endpoints is idle with the chance e^(-2 load): at 0.35 in half of
the picks."""
_QUIET_BELOW = 0.25
_AVERAGED_S = 5.0
LOST_ABOVE = 0.5
"""Of the endpoints of a part, as Envoy's panic threshold: with fewer left the fleet's others must help."""
_WELL_BELOW = 0.25
_PER_LOCALITY = 2
"""The fewest of a locality that leave a choice."""


@dataclass(frozen=True, slots=True)
class Part:
    """How much of the fleet is used, and why."""

    endpoints: int
    of: int
    why: str

    def __str__(self) -> str:
        return f"{self.endpoints} of {self.of} endpoints: {self.why}"


class Aperture:
    """Chooses the part, and the whole fleet while this client alone keeps it busy or too much of the part is lost."""

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id
        self.seat: Seat | None = None
        self.part = Part(0, 0, "nothing is known yet")
        self._busy = False
        self._strained = False
        self._core: frozenset[Identity] = frozenset()
        """The part's endpoints of the first priority, also while the whole fleet is used instead."""
        self._in_flight = 0.0
        self._measured_at: float | None = None

    def choose(
        self, assignment: Assignment, policy: Policy, admits: Callable[[Endpoint], bool], compares: bool = True
    ) -> list[Ranked]:
        """The endpoints to use among those that are admitted, with their priorities.

        `compares` says whether the strategy compares loads. One that does not gains nothing by a part of the fleet, and may lose
        much: a hash key has its home among all endpoints, the same for all clients.
        """
        groups = [_Ring.of(group, admits) for group in assignment.localities]
        usable = [(group.priority, endpoint) for group in groups for endpoint in group.usable]
        chosen, why = usable, self._whole(len(usable), policy, compares)
        self._core = frozenset()
        if not why and self.seat is not None:
            stretches = list(_stretches(groups, self.seat, policy))
            first = min((priority for priority, _ in stretches), default=0)
            self._core = frozenset(endpoint.identity for priority, endpoint in stretches if priority == first)
            why = self._widened() if len(usable) <= policy.max_connections else ""
            if not why:
                chosen, why = stretches, _why(len(stretches), len(usable), self.seat, policy)
        limited = subset(chosen, policy.max_connections, self._client_id)
        if len(limited) < len(chosen):
            why = f"max_connections is {policy.max_connections}, and {why}"
        self.part = Part(len(limited), len(usable), why)
        return limited

    def _whole(self, size: int, policy: Policy, compares: bool) -> str:
        """Why every endpoint is used; empty: they need not be."""
        if policy.subset.mode == "off":
            return "policy.subset is off"
        if not compares:
            return "the strategy does not compare loads"
        if size <= policy.subset.above:
            return "a fleet this small is used whole"
        if self.seat is None:
            return "the control plane gave this client no seat"
        return ""

    def _widened(self) -> str:
        """Why a part would not do now; empty: it does."""
        if self._strained:
            return "of this client's part too many cannot be reached"
        return "this client keeps them busy by itself" if self._busy else ""

    def measure(self, nodes: Collection[Node], now: float) -> bool:
        """Note how the nodes do. True: another part should be chosen."""
        in_flight = sum(len(node.outstanding) for node in nodes)
        lost = sum(_is_lost(node) and node.endpoint.identity in self._core for node in nodes) if self._core else 0
        elapsed_s = 0.0 if self._measured_at is None else now - self._measured_at
        self._measured_at = now
        self._in_flight += (in_flight - self._in_flight) * (1 - exp(-elapsed_s / _AVERAGED_S))
        load = self._in_flight / self.part.of if self.part.of else 0.0
        before = self._widened()
        self._busy = load > (_QUIET_BELOW if self._busy else BUSY_ABOVE)
        self._strained = lost > len(self._core) * (_WELL_BELOW if self._strained else LOST_ABOVE)
        return self._widened() != before and self.seat is not None


def _is_lost(node: Node) -> bool:
    return node.connectivity is Connectivity.TRANSIENT_FAILURE or node.ejected_until is not None


def _why(chosen: int, size: int, seat: Seat, policy: Policy) -> str:
    if chosen == size:
        return f"{seat.clients} clients are few for them"
    if policy.subset.clients_per_endpoint * size > policy.max_connections * seat.clients:
        return f"max_connections is {policy.max_connections}"
    return f"{policy.subset.clients_per_endpoint} clients are to share an endpoint, and there are {seat.clients}"


@dataclass(frozen=True, slots=True)
class _Ring:
    """The endpoints of one locality at one priority, in the order that all clients have."""

    priority: int
    weight: int
    usable: Sequence[Endpoint]

    @classmethod
    def of(cls, group: LocalityEndpoints, admits: Callable[[Endpoint], bool]) -> "_Ring":
        usable = [e for e in group.endpoints if e.health is not Health.UNHEALTHY and admits(e)]
        return cls(group.priority, group.weight, usable)

    def in_order(self) -> Sequence[Endpoint]:
        """The healthy endpoints; the draining ones where there are no others."""
        healthy = [endpoint for endpoint in self.usable if endpoint.health is Health.HEALTHY]
        return sorted(healthy or self.usable, key=_place)


def _stretches(groups: Sequence[_Ring], seat: Seat, policy: Policy) -> Iterator[Ranked]:
    """Of every locality of a priority the same part, begun at the same place."""
    for priority in sorted({group.priority for group in groups}):
        rings = [(group, ring) for group in groups if group.priority == priority and (ring := group.in_order())]
        size = sum(len(ring) for _, ring in rings)
        weights = sum(group.weight for group, _ in rings)
        # Where a locality is preferred, fewer clients share it than share the service, and each needs more of it.
        preference = 1.0
        if policy.zone == "prefer":
            preference = max((group.weight / weights / (len(ring) / size) for group, ring in rings), default=1.0)
        wanted = policy.subset.clients_per_endpoint * size / max(1, seat.clients)
        width = min(size, policy.max_connections, preference * max(policy.subset.least, wanted))
        round_off = floor if width == policy.max_connections else ceil
        for _, ring in rings:
            for endpoint in _stretch(ring, seat.position, max(_PER_LOCALITY, round_off(width * len(ring) / size))):
                yield priority, endpoint


def _place(endpoint: Endpoint) -> bytes:
    return blake2b("\0".join(map(str, endpoint.identity)).encode(), digest_size=8).digest()


def _stretch(ring: Sequence[Endpoint], position: float, length: int) -> Iterator[Endpoint]:
    start = floor(position * len(ring))
    for step in range(min(length, len(ring))):
        yield ring[(start + step) % len(ring)]
