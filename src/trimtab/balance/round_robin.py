"""Each node in turn."""

import itertools
import random
from collections.abc import Sequence

from .node import Node
from .picker import Picker
from .request import Request


class RoundRobin:
    """Strategy `round_robin`. Starts at a random node, so that many clients do not march in step."""

    def __init__(self, rng: random.Random) -> None:
        # The turn outlives the picker: a topology change does not send everyone back to the first node.
        self._turns = itertools.count(rng.randrange(1 << 16))

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _RoundRobinPicker(tuple(nodes), self._turns)


class _RoundRobinPicker:
    __slots__ = ("_nodes", "_turns")

    def __init__(self, nodes: tuple[Node, ...], turns: "itertools.count[int]") -> None:
        self._nodes = nodes
        self._turns = turns

    def pick(self, request: Request) -> Node:
        return self._nodes[next(self._turns) % len(self._nodes)]
