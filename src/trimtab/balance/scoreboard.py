"""The least of many scores, found without looking at all of them.

Scores lie in blocks of about √n, and beside them for each block a bound: none of its scores is less. A score that falls
takes the bound along; after one that rose it may be too low, and is set right when a search comes by. `min`, `index` and `count`
of lists of floats are what Python does fastest.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from math import isqrt

from .node import Node


class Scoreboard:
    """The scores of nodes, each written by whoever changes it, searched from any thread. A node is on one board at a time.

    Where a score falls while a search sets the bound of its block right, the bound may stay too high until the node is
    rescored: an answer may then be second best, as it may be with any score that changes while it is read.
    """

    __slots__ = ("__weakref__", "_blocks", "_bounds", "_rows", "places")

    def __init__(self, nodes: Sequence[Node]) -> None:
        """At least one node. A search passes them in this order."""
        width = isqrt(len(nodes))
        self._rows = [nodes[start : start + width] for start in range(0, len(nodes), width)]
        self._blocks = [[node.score for node in row] for row in self._rows]
        self._bounds = [min(block) for block in self._blocks]
        self.places = {
            node: Place(self, self._bounds, index, self._blocks[index], position)
            for index, row in enumerate(self._rows)
            for position, node in enumerate(row)
        }
        for node, place in self.places.items():
            node.place = place

    def least(self, among_equals: Callable[[], Node]) -> Node:
        """The node of the least score; of several the first one from the one `among_equals` says, around the end.

        Raises ValueError if another thread changed the score since.
        """
        bounds = self._bounds
        while True:
            least = min(bounds)
            index = bounds.index(least)
            block = self._blocks[index]
            equals = block.count(least)
            if not equals:
                bounds[index] = min(block)
            elif equals > 1 or bounds.count(least) > 1:
                start = among_equals()
                return start if start.score == least else self._next(self.places[start], least)
            else:
                return self._rows[index][block.index(least)]

    def _next(self, start: "Place", least: float) -> Node:
        first = start.position
        for index in chain(range(start.index, len(self._rows)), range(start.index + 1)):
            if self._bounds[index] == least:
                scores = self._blocks[index][first:]
                if least in scores:
                    return self._rows[index][first + scores.index(least)]
            first = 0
        raise ValueError(f"nobody has the score {least} any more")


class Place:
    """Where one score is written."""

    __slots__ = ("_block", "_bounds", "board", "index", "position")

    def __init__(self, board: Scoreboard, bounds: list[float], index: int, block: list[float], position: int) -> None:
        self.board = board
        self.index = index
        self.position = position
        self._bounds = bounds
        self._block = block

    def write(self, score: float) -> None:
        """The score is this now."""
        self._block[self.position] = score
        if score < self._bounds[self.index]:  # noqa: PLR1730 `min` would take twice as long
            self._bounds[self.index] = score
