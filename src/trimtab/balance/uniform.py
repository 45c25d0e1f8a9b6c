"""Any node, by chance."""

import random
from collections.abc import Sequence

from ..model import Policy
from .node import Node
from .picker import Picker
from .request import Request
from .shares import draw


class Uniform:
    """Strategy `random`, by weight and success: the baseline that every other strategy has to beat."""

    def __init__(self, policy: Policy, rng: random.Random) -> None:
        self._rng = rng

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _UniformPicker(nodes, self._rng)


class _UniformPicker:
    __slots__ = ("_draw", "_nodes")

    def __init__(self, nodes: Sequence[Node], rng: random.Random) -> None:
        self._nodes = tuple(nodes)
        self._draw = draw(nodes, rng)

    def pick(self, request: Request) -> Node:
        return self._nodes[self._draw()]
