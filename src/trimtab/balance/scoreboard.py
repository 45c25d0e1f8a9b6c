"""The least of many scores, found without looking at all of them.

Scores lie in blocks of about √n, and beside them each block's least: a search looks at the leasts and one block, a change at
one block at most. `min`, `index` and `count` of lists of floats are what Python does fastest.
"""

from collections.abc import Callable, Sequence
from math import isqrt


class Scoreboard:
    """Scores by slot, each written by whoever owns it, searched from any thread.

    Two threads that write into one block in the same moment may leave an old least behind, until the next write into it: an
    answer may then be second best, as it may be with any score that changes while it is read.
    """

    __slots__ = ("_blocks", "_leasts", "_width")

    def __init__(self, scores: Sequence[float]) -> None:
        """At least one score."""
        self._width = width = isqrt(len(scores))
        self._blocks = [list(scores[start : start + width]) for start in range(0, len(scores), width)]
        self._leasts = [min(block) for block in self._blocks]

    def place(self, slot: int) -> "Place":
        """Where the score of `slot` is written."""
        index, position = divmod(slot, self._width)
        return Place(self._leasts, index, self._blocks[index], position)

    def least(self, among_equals: Callable[[], int]) -> int:
        """The slot of the least score; of several the first one from where `among_equals` says, around the end."""
        least = min(self._leasts)
        if self._leasts.count(least) == 1:
            index = self._leasts.index(least)
            block = self._blocks[index]
            if block.count(least) == 1:
                return index * self._width + block.index(least)
        return self._from(among_equals(), least)

    def _from(self, start: int, least: float) -> int:
        index, position = divmod(start, self._width)
        try:
            return index * self._width + self._blocks[index].index(least, position)
        except ValueError:
            pass
        try:
            index = self._leasts.index(least, index + 1)
        except ValueError:
            index = self._leasts.index(least)
        return index * self._width + self._blocks[index].index(least)


class Place:
    """Where one score is written."""

    __slots__ = ("_block", "_index", "_leasts", "_position")

    def __init__(self, leasts: list[float], index: int, block: list[float], position: int) -> None:
        self._leasts = leasts
        self._index = index
        self._block = block
        self._position = position

    def write(self, score: float) -> None:
        """The score is this now."""
        block, leasts, index = self._block, self._leasts, self._index
        before, block[self._position] = block[self._position], score
        if score < leasts[index]:
            leasts[index] = score
        elif before <= leasts[index] < score:
            leasts[index] = min(block)
