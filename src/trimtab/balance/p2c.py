"""Power of two choices: of two random nodes the one with the better score.

Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001). The two are distinct: drawing with
replacement compares a node with itself in 1 of n picks, which small fleets feel (envoyproxy/envoy#11004).
"""

import random
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate

from ..model import Policy
from .choice import Choice
from .node import Node
from .picker import Picker
from .request import Request
from .shares import even

_TRIES = 8


class PowerOfTwoChoices:
    """Strategy `p2c`."""

    compares_loads = True

    def __init__(self, policy: Policy, rng: random.Random) -> None:
        self._rng = rng
        self.idle_pairs = 0
        """Picks whose two candidates were both idle: where they are many, load says nothing (finagle's `p2c_zero`)."""

    def picker(self, nodes: Sequence[Node]) -> Picker:
        if len(nodes) == 1:
            return _OnlyPicker(nodes[0])
        return _EvenPicker(self, nodes, self._rng) if even(nodes) else _WeightedPicker(self, nodes, self._rng)

    def better(self, first: Node, second: Node) -> Choice:
        """The one with the better score, and why; the first if there is none."""
        if not first.score and not second.score:
            self.idle_pairs += 1
        chosen = second if second.score < first.score else first
        why = "equal scores, the first drawn" if first.score == second.score else "the lower score of two"
        return Choice.of(chosen, (first, second), why)


class _OnlyPicker:
    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node

    def pick(self, request: Request) -> Node:
        return self._node

    def explain(self, request: Request) -> Choice:
        """The same pick."""
        return Choice.of(self._node, (self._node,), "the only one")


class _EvenPicker:
    __slots__ = ("_nodes", "_others", "_random", "_size", "_strategy")

    def __init__(self, strategy: PowerOfTwoChoices, nodes: Sequence[Node], rng: random.Random) -> None:
        self._strategy = strategy
        self._nodes = tuple(nodes)
        self._size = len(nodes)
        self._others = len(nodes) - 1
        self._random = rng.random

    def pick(self, request: Request) -> Node:
        nodes = self._nodes
        i = int(self._random() * self._size)
        j = int(self._random() * self._others)
        # Drawing j among the others and stepping over i makes the pair distinct and unbiased (finagle's P2CPick).
        if j >= i:
            j += 1
        first, second = nodes[i], nodes[j]
        if first.score < second.score:
            return first
        if first.score > second.score:
            return second
        if not first.score:
            self._strategy.idle_pairs += 1
        return first

    def explain(self, request: Request) -> Choice:
        """The same pick with its two candidates."""
        i, j = int(self._random() * self._size), int(self._random() * self._others)
        return self._strategy.better(self._nodes[i], self._nodes[j + (j >= i)])


class _WeightedPicker:
    """Draws by share. The first of the two wins ties, so idle nodes are picked exactly by their shares."""

    __slots__ = ("_nodes", "_random", "_strategy", "_sums", "_total")

    def __init__(self, strategy: PowerOfTwoChoices, nodes: Sequence[Node], rng: random.Random) -> None:
        self._strategy = strategy
        self._nodes = tuple(nodes)
        # Without the last sum, so that rounding leads nobody beyond the last node.
        *self._sums, self._total = accumulate([node.share for node in nodes])
        self._random = rng.random

    def pick(self, request: Request) -> Node:
        sums, total, uniform, nodes = self._sums, self._total, self._random, self._nodes
        i, j = bisect(sums, uniform() * total), bisect(sums, uniform() * total)
        first, second = nodes[i], nodes[j if j != i else self._other(i)]
        if second.score < first.score:
            return second
        if not (first.score or second.score):
            self._strategy.idle_pairs += 1
        return first

    def explain(self, request: Request) -> Choice:
        """The same pick with its two candidates."""
        i, j = self._drawn(), self._drawn()
        return self._strategy.better(self._nodes[i], self._nodes[j if j != i else self._other(i)])

    def _drawn(self) -> int:
        return bisect(self._sums, self._random() * self._total)

    def _other(self, i: int) -> int:
        for _ in range(_TRIES - 1):
            if (j := self._drawn()) != i:
                return j
        # One node has nearly all of the weight: its neighbour is as good as any.
        return i - 1
