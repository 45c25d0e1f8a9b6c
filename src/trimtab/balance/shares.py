"""Drawing nodes by weight and success."""

import random
from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate

from .node import Node


def even(nodes: Sequence[Node]) -> bool:
    """Whether no node has a larger share than another."""
    return all(node.share == nodes[0].share for node in nodes)


def draw(nodes: Sequence[Node], rng: random.Random) -> Callable[[], Node]:
    """Draws a node, each with the chance that its share is of all shares as they are now."""
    uniform, nodes = rng.random, tuple(nodes)
    if even(nodes):
        size = len(nodes)
        return lambda: nodes[int(uniform() * size)]
    # Without the last sum, so that rounding leads nobody beyond the last node.
    *sums, total = accumulate([node.share for node in nodes])
    return lambda: nodes[bisect(sums, uniform() * total)]
