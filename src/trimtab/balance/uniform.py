"""Any node with equal chance."""

import random
from collections.abc import Sequence

from .node import Node
from .picker import Picker
from .request import Request


class Uniform:
    """Strategy `random`: the baseline that every other strategy has to beat."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _UniformPicker(tuple(nodes), self._rng)


class _UniformPicker:
    __slots__ = ("_nodes", "_random")

    def __init__(self, nodes: tuple[Node, ...], rng: random.Random) -> None:
        self._nodes = nodes
        self._random = rng.random

    def pick(self, request: Request) -> Node:
        return self._nodes[int(self._random() * len(self._nodes))]
