"""The first burst must not land on the connection that happened to come up first.

When the first endpoints arrive, dozens of connections are opened and dozens of calls may be waiting. Were the calls let
go at the first READY, one endpoint would get them all. The same holds when a service comes back from no endpoints at all.
"""

import enum

from ..balance import Connectivity, Node

GRACE_S = 0.1
"""How long after the first READY the others are waited for."""

_SETTLED = (Connectivity.READY, Connectivity.TRANSIENT_FAILURE)


class Gate(enum.Enum):
    """What to do with the waiting calls."""

    HELD = enum.auto()
    IN_GRACE = enum.auto()
    """A connection is ready: opens `GRACE_S` after the first one was, or earlier."""
    OPEN = enum.auto()


class WarmUp:
    """Watches the connections to the first endpoints until they are settled, which is READY or failed."""

    def __init__(self) -> None:
        self.states: dict[Node, Connectivity] = {}
        """The last state of each node, not yet known to the balancer."""
        self.in_grace = False
        """Whether somebody waits for the grace to end."""

    def observe(self, node: Node, state: Connectivity) -> None:
        """The connection to `node` is in `state` now."""
        self.states[node] = state

    def forget(self, node: Node) -> None:
        """`node` left the assignment."""
        self.states.pop(node, None)

    @property
    def gate(self) -> Gate:
        """Whether calls may go."""
        if all(state in _SETTLED for state in self.states.values()):
            return Gate.OPEN
        return Gate.IN_GRACE if Connectivity.READY in self.states.values() else Gate.HELD
