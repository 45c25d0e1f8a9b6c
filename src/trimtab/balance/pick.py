"""The node chosen for one call, and the guard that keeps its in-flight count honest."""

from dataclasses import dataclass

from ..model import LoadReport
from .node import Node


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended, in the words of its protocol: `OK`, `DEADLINE_EXCEEDED`, `CANCELLED`, … or an HTTP status."""

    status: str
    report: LoadReport | None = None


class Pick:
    """The node chosen for one call. `done` must be called however the call ends; once it was, again is harmless."""

    __slots__ = ("__weakref__", "_cost", "method", "node", "started_at")

    method: str
    """The call's full method name, for recorders: there only where one listens."""

    def __init__(self, node: Node, started_at: float, cost: float = 0.0) -> None:
        self.node = node
        self.started_at = started_at
        self._cost = cost
        node.outstanding.add(self)
        if node.fleet is not None:
            node.fleet.add(self)
        if cost:
            node.cost += cost
        node.rescore()

    def done(self, outcome: Outcome | None) -> None:
        """The call ended. `outcome` feeds what the node remembers about its endpoint; None: it was never made."""
        node = self.node
        try:
            # Whatever threads race, exactly one takes it out.
            node.outstanding.remove(self)
        except KeyError:
            return
        if node.fleet is not None:
            node.fleet.discard(self)
        if self._cost:
            node.cost -= self._cost
        try:
            if outcome is not None and node.feedback is not None:
                node.feedback.ended(self, outcome)
        finally:
            node.rescore()
            if node.retired and not node.outstanding and node.on_drained is not None:
                node.on_drained(node)

    def answered(self) -> None:
        """The endpoint has begun to answer a stream, which may go on for hours: it is no longer one that never answered."""
        node = self.node
        if not node.proven and node.feedback is not None:
            node.feedback.answered(node)
            node.rescore()

    def abandon(self) -> None:
        """Give the pick back: the call was never made."""
        self.done(None)

    @property
    def cost(self) -> float:
        """What the call weighs. May be corrected while it runs."""
        return self._cost

    @cost.setter
    def cost(self, cost: float) -> None:
        before, self._cost = self._cost, cost
        if self in self.node.outstanding:
            self.node.cost += cost - before
            self.node.rescore()
