"""The least of many scores, found without looking at all of them.

Scores lie in blocks of about √n, and beside them for each block a bound: none of its scores is less. A score that falls
takes the bound along; after one that rose it may be too low, and is set right when a search comes by. `min`, `index` and `count`
of lists of floats are what Python does fastest. Where few of many share the least score, who they are is kept until the scores
that are shared become too many.
"""

from collections.abc import Callable, Sequence
from math import isqrt

from .node import Node

_MORE_DRAWS = 3
_DRAW = 40
"""What it takes to draw one node, relative to listing one."""
_KEPT = 32
"""Scores of which is known who has them."""
_FORGOTTEN_AFTER = 256
"""Searches in a row whose least score nobody shared: keeping who has the same score is not worth it any more."""


class Scoreboard:
    """The scores of nodes, each written by whoever changes it, searched from any thread. A node is on one board at a time.

    Where a score falls while a search sets the bound of its block right, the bound may stay too high until the node is
    rescored: an answer may then be second best, as it may be with any score that changes while it is read. So may a node be
    missing until then among those of an equal score, if two threads rescored it in the same moment.
    """

    __slots__ = (
        "__weakref__",
        "_blocks",
        "_bounds",
        "_crowded",
        "_equals",
        "_few",
        "_many",
        "_rows",
        "_searches",
        "places",
    )

    def __init__(self, nodes: Sequence[Node]) -> None:
        """At least one node."""
        width = isqrt(len(nodes))
        self._rows = [nodes[start : start + width] for start in range(0, len(nodes), width)]
        self._blocks = [[node.score for node in row] for row in self._rows]
        self._bounds = [min(block) for block in self._blocks]
        self._equals: dict[float, dict[Node, None]] = {}
        """Who has a score that was the least of several lately. Nodes have an order here, so that a seed repeats a run."""
        self._few = min(isqrt(_DRAW * len(nodes)), len(nodes) // 2)
        """To list so many takes as long as to draw until one of them is drawn."""
        self._many = len(nodes) // 2
        self._searches = 0
        """Since several shared the least score."""
        self._crowded = True
        """Whether so many share it that one of them is soon drawn."""
        self.places = {
            node: Place(self, node, self._bounds, index, self._blocks[index], position, self._equals)
            for index, row in enumerate(self._rows)
            for position, node in enumerate(row)
        }
        for node, place in self.places.items():
            node.place = place

    def least(self, drawn: Callable[[], Node], chosen: Callable[[Sequence[Node]], Node]) -> Node:
        """The node of the least score. Of several one that is `drawn` from all, or where those who are drawn do not have it,
        the one that is `chosen` from all who do. Where both go by the same shares, equals have chances by their shares.

        Raises ValueError if another thread changed the score since, or put nodes on another board, where their scores are written
        from then on.
        """
        bounds = self._bounds
        while True:
            least = min(bounds)
            if self._crowded:
                # Mostly at once.
                if (node := drawn()).score == least:
                    return node
                for _ in range(_MORE_DRAWS):
                    if (node := drawn()).score == least:
                        return node
            equals = self._equals.get(least) if self._equals else None
            if not equals:
                index = bounds.index(least)
                block = self._blocks[index]
                count = block.count(least)
                if not count:
                    bounds[index] = min(block)
                    continue
                if count == 1 and bounds.count(least) == 1:
                    self._crowded = False
                    if self._equals:
                        self._forget()
                    return self._rows[index][block.index(least)]
                if not self._crowded:
                    self._crowded = True
                    continue
                equals = self._gathered(least)
            # Other threads may take out even the last of them.
            if listed := list(equals):
                node = chosen(listed)
                if node.score == least:
                    self._searches = 0
                    if len(listed) > self._few or self._crowded:
                        self._settle(least, len(listed))
                    return node
                # To search on would be in vain where it is written on another board; it may also just have come here.
                equals.pop(node, None)
                raise ValueError(f"{node} has the score {least} no more")

    def _settle(self, score: float, by: int) -> None:
        self._crowded = by > self._few
        if by > self._many:
            self._equals.pop(score, None)

    def _forget(self) -> None:
        self._searches += 1
        if self._searches >= _FORGOTTEN_AFTER:
            self._equals.clear()

    def _gathered(self, score: float) -> dict[Node, None]:
        if len(self._equals) >= _KEPT:
            self._equals.clear()
        # Known before it is filled: whoever changes a score meanwhile takes the node out or puts it in.
        equals = self._equals[score] = {}
        for row, block in zip(self._rows, self._blocks, strict=True):
            if score in block:
                for node, its in zip(row, block, strict=True):
                    if its == score:
                        self.places[node].join(equals)
        if not equals:
            raise ValueError(f"nobody has the score {score} any more")
        return equals


class Place:
    """Where one score is written."""

    __slots__ = ("_block", "_bounds", "_equals", "_mine", "_node", "board", "index", "position")

    def __init__(
        self,
        board: Scoreboard,
        node: Node,
        bounds: list[float],
        index: int,
        block: list[float],
        position: int,
        equals: dict[float, dict[Node, None]],
    ) -> None:
        self.board = board
        self.index = index
        self.position = position
        self._node = node
        self._bounds = bounds
        self._block = block
        self._equals = equals
        self._mine: dict[Node, None] | None = None
        """Those of an equal score among whom the node is."""

    def write(self, score: float) -> None:
        """The score is this now."""
        self._block[self.position] = score
        if score < self._bounds[self.index]:  # noqa: PLR1730 `min` would take twice as long
            self._bounds[self.index] = score
        if self._equals:
            if (mine := self._mine) is not None:
                mine.pop(self._node, None)
            self._mine = mine = self._equals.get(score)
            if mine is not None:
                mine[self._node] = None

    def join(self, equals: dict[Node, None]) -> None:
        """Be kept among those who have the same score."""
        self._mine = equals
        equals[self._node] = None
