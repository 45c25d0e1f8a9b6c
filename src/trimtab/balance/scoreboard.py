"""The least of many scores, found without looking at all of them.

Scores lie in blocks of about √n, and beside them for each block a bound: none of its scores is less. A score that falls
takes the bound along; after one that rose it may be too low, and is set right when a search comes by. `min`, `index` and `count`
of lists of floats are what Python does fastest.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from math import isqrt

from .node import Node

_MORE_DRAWS = 3
_LISTED = 2
"""Blocks whose equals are listed: more would be evener, and slower."""


class Scoreboard:
    """The scores of nodes, each written by whoever changes it, searched from any thread. A node is on one board at a time.

    Where a score falls while a search sets the bound of its block right, the bound may stay too high until the node is
    rescored: an answer may then be second best, as it may be with any score that changes while it is read.
    """

    __slots__ = ("__weakref__", "_blocks", "_bounds", "_rows", "places")

    def __init__(self, nodes: Sequence[Node]) -> None:
        """At least one node."""
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

    def least(self, drawn: Callable[[], Node], chosen: Callable[[Sequence[Node]], Node]) -> Node:
        """The node of the least score. Of several one that is `drawn` from all, or where the first ones who are drawn do not have
        it, the one that is `chosen` from some who do, near the last of them. Where both go by the same shares, equals have
        nearly chances by their shares.

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
                # Where equals are many one is soon drawn, mostly at once.
                if (node := drawn()).score == least:
                    return node
                for _ in range(_MORE_DRAWS):
                    if (node := drawn()).score == least:
                        return node
                return chosen(self._with(least, self.places[node].index))
            else:
                return self._rows[index][block.index(least)]

    def _with(self, score: float, start: int) -> Sequence[Node]:
        found: list[Node] = []
        listed = 0
        for index in chain(range(start, len(self._rows)), range(start)):
            if self._bounds[index] == score and score in (block := self._blocks[index]):
                found += [node for node, its in zip(self._rows[index], block, strict=True) if its == score]
                listed += 1
                if listed == _LISTED:
                    break
        if not found:
            raise ValueError(f"nobody has the score {score} any more")
        return found


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
