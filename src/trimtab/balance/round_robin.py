"""Each node in turn."""

import itertools
import random
from collections.abc import Sequence

from ..model import Policy
from .choice import Choice
from .node import Node
from .picker import Picker
from .request import Request

_SKIPS = 3


class RoundRobin:
    """Strategy `round_robin`. Starts at a random node, so that many clients do not march in step."""

    def __init__(self, policy: Policy, rng: random.Random) -> None:
        self._rng = rng
        # The turn outlives the picker: a topology change does not send everyone back to the first node.
        self._turns = itertools.count(rng.randrange(1 << 16))

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _RoundRobinPicker(nodes, self._turns, self._rng)


class _RoundRobinPicker:
    __slots__ = ("_nodes", "_random", "_turns")

    def __init__(self, nodes: Sequence[Node], turns: "itertools.count[int]", rng: random.Random) -> None:
        self._nodes = tuple(nodes)
        self._turns = turns
        self._random = rng.random

    def pick(self, request: Request) -> Node:
        node = self._next()
        for _ in range(_SKIPS):
            # A node that fails misses a part of its turns.
            if node.success == 1.0 or self._random() < node.success:
                break
            node = self._next()
        return node

    def explain(self, request: Request) -> Choice:
        """The same pick, with those that missed their turn for it."""
        looked_at = [self._next()]
        while len(looked_at) <= _SKIPS and (node := looked_at[-1]).success < 1.0 and self._random() >= node.success:
            looked_at.append(self._next())
        missed = len(looked_at) - 1
        why = f"its turn, after {missed} that fail missed theirs" if missed else "its turn"
        # Where they are few, one may have missed several.
        return Choice.of(looked_at[-1], tuple(dict.fromkeys(looked_at)), why)

    def _next(self) -> Node:
        return self._nodes[next(self._turns) % len(self._nodes)]
