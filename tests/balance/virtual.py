"""Calls to a fleet in virtual time: Poisson arrivals, a service time for each call, outcomes as a test wants them."""

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.balance import fleet
from trimtab.balance import Balancer, Connectivity, Node, Outcome, Pick, Request
from trimtab.model import Assignment, Endpoint, LoadReport, Locality, LocalityEndpoints, Policy

REQUEST = Request("/shop.Shop/Buy")
Answer = Callable[[Node], tuple[float, str]]
"""How long a node takes for a call, and with which status it answers."""


@dataclass
class World:
    """One client under load."""

    policy: Policy = field(default_factory=Policy)
    seed: int = 1
    now: float = 1000.0
    """Also the control plane's clock, unless an assignment says otherwise."""
    report: Callable[[Node], LoadReport | None] = lambda node: None
    """What a node says about its load with each answer."""

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.balancer = Balancer(self.policy, client_id="test", rng=self.rng, clock=lambda: self.now)
        self._ends: list[tuple[float, int, Pick, str]] = []
        self._order = 0

    def assign(self, *endpoints: Endpoint, clock_offset_s: float | None = 0.0) -> tuple[Node, ...]:
        """Give the service these endpoints, connect the new ones and return them."""
        return self.take_over(
            Assignment("shop", (LocalityEndpoints(Locality(), endpoints),), clock_offset_s=clock_offset_s)
        )

    def take_over(self, assignment: Assignment) -> tuple[Node, ...]:
        """Give the service this assignment, connect the new endpoints and return them."""
        changes = self.balancer.update(assignment)
        self.balancer.connectivities_changed(dict.fromkeys(changes.opened, Connectivity.READY))
        for node in changes.closed:
            node.retire(lambda _: None)
        return changes.opened

    def run(self, duration_s: float, rate: float, answer: Answer) -> Counter[Node]:
        """Call for `duration_s` at `rate` per second; how many calls each node got."""
        counts: Counter[Node] = Counter()
        until = self.now + duration_s
        arrival = self.now + self.rng.expovariate(rate)
        while arrival < until:
            self._end_until(arrival)
            self.now = arrival
            pick = self.balancer.pick(REQUEST)
            assert pick is not None
            counts[pick.node] += 1
            takes_s, status = answer(pick.node)
            self._order += 1
            heapq.heappush(self._ends, (self.now + takes_s, self._order, pick, status))
            arrival = self.now + self.rng.expovariate(rate)
        self._end_until(until)
        self.now = until
        return counts

    def _end_until(self, moment: float) -> None:
        while self._ends and self._ends[0][0] <= moment:
            self.now, _, pick, status = heapq.heappop(self._ends)
            pick.done(Outcome(status, report=self.report(pick.node)))


def steady(takes_s: float) -> Answer:
    """Every call takes as long and succeeds."""
    return lambda node: (takes_s, "OK")


def world(count: int = 12, policy: Policy | None = None, seed: int = 1) -> tuple[World, tuple[Node, ...]]:
    """A client that knows `count` endpoints since long ago."""
    made = World(policy or Policy(), seed)
    return made, made.assign(*fleet.endpoints(count))
