"""Any node, by chance."""

import random
from collections.abc import Sequence

from ..model import Policy
from .choice import Choice
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
    __slots__ = ("_draw",)

    def __init__(self, nodes: Sequence[Node], rng: random.Random) -> None:
        self._draw = draw(nodes, rng)

    def pick(self, request: Request) -> Node:
        return self._draw()

    def explain(self, request: Request) -> Choice:
        """The same pick, of which nothing was compared."""
        node = self.pick(request)
        return Choice.of(node, (node,), "drawn by weight and success, whatever the load")
