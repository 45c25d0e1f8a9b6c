"""The best score of all."""

import random
from collections.abc import Sequence

from ..model import Policy
from .choice import Choice
from .node import Node
from .picker import Picker
from .request import Request
from .scoreboard import Scoreboard
from .shares import draw


class LeastRequest:
    """Strategy `least_request`: looks at every node (Envoy's FULL_SCAN).

    For small fleets. With many clients whose loads are local, everyone finds the same node best; two choices herd less.
    """

    compares_loads = True

    def __init__(self, policy: Policy, rng: random.Random) -> None:
        self._rng = rng

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _LeastRequestPicker(nodes, self._rng)


class _LeastRequestPicker:
    """Searches scores that the nodes write down, not the nodes."""

    __slots__ = ("_board", "_draw", "_nodes")

    def __init__(self, nodes: Sequence[Node], rng: random.Random) -> None:
        # In random order: among equals the next one after a random start is taken, and neighbours must not be the same for
        # every client.
        self._nodes = rng.sample(nodes, len(nodes))
        self._board = Scoreboard([node.score for node in self._nodes])
        self._draw = draw(self._nodes, rng)
        for slot, node in enumerate(self._nodes):
            # The board before stays in use: a service has a second picker, over the nodes without a quota.
            node.places = (*node.places[-1:], self._board.place(slot))

    def pick(self, request: Request) -> Node:
        try:
            return self._nodes[self._board.least(self._draw)]
        except ValueError:
            # Another thread changed the least score since: anyone will do.
            return self._nodes[self._draw()]

    def explain(self, request: Request) -> Choice:
        """The same pick with all candidates."""
        return Choice.of(self.pick(request), self._nodes, f"the lowest score of {len(self._nodes)}")
