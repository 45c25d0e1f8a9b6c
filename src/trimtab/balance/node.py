"""What this client knows about one endpoint, and the guard that keeps its in-flight count honest.

A node does not count calls up and down: it holds the set of picks that are not done. Adding to and discarding from a set
are single atomic operations, so threads need no lock, and a second `done` for the same call changes nothing. A leaked or
doubled in-flight count, the classic bug of client-side balancers, has no place to happen.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass

from ..model import Endpoint


class Connectivity(enum.Enum):
    """State of the connection to an endpoint (the gRPC connectivity states)."""

    IDLE = "idle"
    CONNECTING = "connecting"
    READY = "ready"
    TRANSIENT_FAILURE = "transient failure"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended, in the words of its protocol: `OK`, `DEADLINE_EXCEEDED`, `CANCELLED`, …"""

    status: str


class Node:
    """One endpoint as this client experiences it. Kept by identity while the endpoint stays in the assignment."""

    __slots__ = (
        "connectivity",
        "endpoint",
        "on_drained",
        "outstanding",
        "priority",
        "retired",
        "transport",
    )

    def __init__(self, endpoint: Endpoint, priority: int = 0, transport: object = None) -> None:
        self.endpoint = endpoint
        self.priority = priority
        self.connectivity = Connectivity.IDLE
        self.outstanding: set[Pick] = set()
        self.transport = transport
        """Whatever the client reaches the endpoint through; opaque to balancing."""
        self.retired = False
        """No longer in the assignment: gets no new calls, is let go when the last one ended."""
        self.on_drained: Callable[[Node], None] | None = None
        """Called when a retired node has no call left: at least once, from any thread that ends a call."""

    @property
    def in_flight(self) -> int:
        """Calls picked for this node and not done."""
        return len(self.outstanding)

    def retire(self, on_drained: "Callable[[Node], None]") -> None:
        """Let go of the node as soon as its last call has ended, which may be now."""
        self.on_drained = on_drained
        self.retired = True
        if not self.outstanding:
            on_drained(self)

    def __repr__(self) -> str:
        return f"<Node {self.endpoint.authority} {self.connectivity.value}, {self.in_flight} in flight>"


class Pick:
    """The node chosen for one call. `done` must be called however the call ends; once it was, again is harmless."""

    __slots__ = ("__weakref__", "node", "started_at")

    def __init__(self, node: Node, started_at: float) -> None:
        self.node = node
        self.started_at = started_at
        node.outstanding.add(self)

    def done(self, outcome: Outcome) -> None:
        """The call ended. `outcome` feeds what the node remembers about its endpoint."""
        self.abandon()

    def abandon(self) -> None:
        """Give the pick back: the call was never made."""
        node = self.node
        node.outstanding.discard(self)
        if node.retired and not node.outstanding and node.on_drained is not None:
            node.on_drained(node)
