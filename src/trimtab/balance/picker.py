"""The seam between the slow path and the fast path (after grpc-go's Balancer and Picker)."""

from collections.abc import Sequence
from typing import Protocol

from .node import Node
from .request import Request


class Picker(Protocol):
    """Chooses a node for one request. Called for every call, from any thread: no waiting, no lock."""

    def pick(self, request: Request) -> Node:
        """The node for this request."""
        ...


class Strategy(Protocol):
    """Builds a picker whenever the usable nodes change. What must outlive a picker lives in the strategy."""

    def picker(self, nodes: Sequence[Node]) -> Picker:
        """A picker over `nodes`, of which there is at least one."""
        ...
