"""Drawing nodes by weight and success."""

import random
from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate

from .node import Node


def even(nodes: Sequence[Node]) -> bool:
    """Whether no node has a larger share than another."""
    return all(node.share == nodes[0].share for node in nodes)


def draw(nodes: Sequence[Node], rng: random.Random) -> Callable[[], int]:
    """Draws the index of a node, each with the chance that its share is of all shares as they are now."""
    uniform = rng.random
    if even(nodes):
        size = len(nodes)
        return lambda: int(uniform() * size)
    sums = list(accumulate([node.share for node in nodes]))
    total, last = sums[-1], len(sums) - 1
    return lambda: bisect(sums, uniform() * total, 0, last)
