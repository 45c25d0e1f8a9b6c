"""Power of two choices: of two random nodes the less loaded one.

Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001). The two are distinct: drawing with
replacement compares a node with itself in 1 of n picks, which small fleets feel (envoyproxy/envoy#11004).
"""

import random
from collections.abc import Sequence

from .node import Node
from .picker import Picker
from .request import Request


class PowerOfTwoChoices:
    """Strategy `p2c`: load is the number of calls in flight from this client."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _PowerOfTwoPicker(tuple(nodes), self._rng)


class _PowerOfTwoPicker:
    __slots__ = ("_nodes", "_others", "_random", "_size")

    def __init__(self, nodes: tuple[Node, ...], rng: random.Random) -> None:
        self._nodes = nodes
        self._size = len(nodes)
        self._others = len(nodes) - 1
        self._random = rng.random

    def pick(self, request: Request) -> Node:
        nodes = self._nodes
        if not self._others:
            return nodes[0]
        i = int(self._random() * self._size)
        j = int(self._random() * self._others)
        # Drawing j among the others and stepping over i makes the pair distinct and unbiased (finagle's P2CPick).
        if j >= i:
            j += 1
        first, second = nodes[i], nodes[j]
        return first if len(first.outstanding) <= len(second.outstanding) else second
