"""What changes with time about the nodes of one service, and when that has to be looked at next.

A fleet is large, and what changes between two looks is small: whoever has nothing to change is passed over.
"""

from collections.abc import Collection, Iterable
from math import inf

from ..model import Policy
from .load import LOADS, forget_latency
from .newcomers import ramp_up
from .node import Node
from .outage import Outage
from .outliers import Ejected, Outliers
from .success import recover

REFRESH_S = 0.1
"""How old a ramp, a success rate or a reported weight may be where a pick uses it."""
_RECOUNT_S = 1.0
"""How often to count up afresh: two threads that end calls of one node in the same moment may leave an old score behind, and an
idle node must not be shunned for it."""


class Upkeep:
    """Keeps the nodes as one policy wants them. Runs in the one thread that updates the balancer."""

    def __init__(self, policy: Policy, now: float, ejected: Ejected) -> None:
        self._policy = policy
        self._measures_latency = policy.load == "peak_ewma"
        detection = policy.outlier_detection
        self._outliers = None if detection is None else Outliers(detection, now, ejected)
        self._outage = Outage()
        self._recount_at = -inf

    def begin(self, node: Node) -> None:
        """A node is kept by this policy from now on. Whoever says so lets it be counted up afresh."""
        node.load_of = LOADS[self._policy.load]
        if self._outliers is None:
            node.tally = node.ejected_until = None
        if self._policy.success_rate is None:
            node.success, node.failure_run = 1.0, None
        if not self._policy.slow_start_s:
            node.ramp = 1.0

    def renew(self, nodes: Collection[Node], now: float, *, recount: bool) -> None:
        """Bring up to date what changes with time; `recount`: all that is known by counting too, as is done every second anyway."""
        if self._outliers is not None:
            for node in self._outliers.run(nodes, now):
                # Envoy's slow start counts from the last time an endpoint became usable.
                node.ready_at = now
        ramp_up(nodes, self._policy, now)
        self._recover(nodes, now)
        self._weigh(nodes, now)
        if self._measures_latency:
            for node in nodes:
                if node.latency_s and not node.outstanding:
                    forget_latency(node, now, self._policy.peak_ewma_decay_s)
                    node.rescore()
        if recount or now >= self._recount_at:
            self._recount_at = now + _RECOUNT_S
            self._recount(nodes)

    def next_at(self, nodes: Collection[Node], now: float) -> float:
        """When something will have changed without anybody telling. Without calls nobody asks, and it costs nothing."""
        if any(
            node.quota is not None
            or node.success < 1.0
            or node.utilization is not None
            or (self._measures_latency and node.latency_s)
            for node in nodes
        ):
            return now + REFRESH_S
        return self._recount_at if self._outliers is None else min(self._recount_at, self._outliers.next_at(nodes))

    def _recover(self, nodes: Collection[Node], now: float) -> None:
        if (settings := self._policy.success_rate) is not None:
            for node in nodes:
                if node.success < 1.0:
                    recover(node, now, settings)
                    node.reweigh()
            for node in self._outage.look(nodes):
                node.reweigh()

    def _weigh(self, nodes: Iterable[Node], now: float) -> None:
        settings = self._policy.weighted_round_robin
        for node in nodes:
            if (utilization := node.utilization) is not None:
                node.reported_weight = utilization.current(now, settings)
                node.unproven_weight = utilization.unproven(now, settings)

    def _recount(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            if self._policy.load == "cost":
                # Threads may lose an addition; what is in flight is never lost.
                node.cost = sum(pick.cost for pick in tuple(node.outstanding))
            node.reweigh()
