"""The slow path: keeps the nodes of one service and publishes a picker whenever the usable ones change."""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ..model import Assignment, Health, Policy
from .candidates import candidates
from .node import Connectivity, Node, Pick
from .picker import Picker
from .registry import strategy
from .request import Request
from .subset import subset


@dataclass(frozen=True, slots=True)
class Changes:
    """What an update asks of whoever owns the connections."""

    opened: tuple[Node, ...]
    """New nodes: connect them."""
    closed: tuple[Node, ...]
    """Nodes that left: retire them, their calls go on to the end."""


class Balancer:
    """Picks an endpoint for each call of one service.

    Updates come from one thread at a time. `pick` may be called from any thread at any time: the only thing it reads is
    the current picker, and updates replace that by one attribute assignment.
    """

    def __init__(self, policy: Policy, *, client_id: str, rng: random.Random, clock: Callable[[], float]) -> None:
        self._policy = policy
        self._client_id = client_id
        self._clock = clock
        self._strategy = strategy(policy.strategy, rng)
        self._nodes: dict[tuple[str, int, str], Node] = {}
        self._candidates: Sequence[Node] | None = ()
        self._picker: Picker | None = None

    @property
    def nodes(self) -> Collection[Node]:
        """Every node of the current assignment."""
        return self._nodes.values()

    @property
    def waiting(self) -> bool:
        """No call can be placed now, but a connection under way may change that."""
        return self._candidates is None

    def pick(self, request: Request) -> Pick | None:
        """A node for this request, or None: then `waiting` tells whether waiting can help."""
        while (picker := self._picker) is not None:
            pick = Pick(picker.pick(request), self._clock())
            if not pick.node.retired:
                return pick
            # Another thread let this node go between reading the picker and choosing: the next picker is already there.
            pick.abandon()
        return None

    def update(self, assignment: Assignment) -> Changes:
        """Take over a new assignment. Nodes whose endpoint stays keep all they know."""
        usable = (item for item in assignment.endpoints() if item[1].health is not Health.UNHEALTHY)
        before = self._nodes
        self._nodes = {}
        opened: list[Node] = []
        for priority, endpoint in subset(usable, self._policy.max_connections, self._client_id):
            node = before.pop(endpoint.identity, None)
            if node is None:
                node = Node(endpoint, priority)
                opened.append(node)
            node.endpoint, node.priority = endpoint, priority
            self._nodes[endpoint.identity] = node
        self._publish()
        return Changes(opened=tuple(opened), closed=tuple(before.values()))

    def connectivity_changed(self, node: Node, state: Connectivity) -> None:
        """The connection to `node` changed its state."""
        node.connectivity = state
        if self._nodes.get(node.endpoint.identity) is node:
            self._publish()

    def _publish(self) -> None:
        usable = candidates(self._nodes.values())
        if usable == self._candidates:
            return
        self._candidates = usable
        self._picker = self._strategy.picker(usable) if usable else None
