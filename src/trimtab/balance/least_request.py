"""The best score of all."""

import random
from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate
from weakref import WeakSet

from ..model import Policy
from .choice import Choice
from .node import Node
from .picker import Picker
from .request import Request
from .scoreboard import Scoreboard
from .shares import draw, even

_TRIES = 4


class LeastRequest:
    """Strategy `least_request`: looks at every node (Envoy's FULL_SCAN).

    For small fleets. With many clients whose loads are local, everyone finds the same node best; two choices herd less.
    """

    compares_loads = True

    def __init__(self, policy: Policy, rng: random.Random) -> None:
        self._rng = rng
        self._boards: WeakSet[Scoreboard] = WeakSet()

    def picker(self, nodes: Sequence[Node]) -> Picker:
        board = self._board(nodes)
        return _LeastRequestPicker(board, nodes, frozenset(board.places.keys() - nodes), self._rng)

    def _board(self, nodes: Sequence[Node]) -> Scoreboard:
        """One with these nodes, and none beside them that could win. Shares change all the time, who is on a board hardly ever."""
        board = None if nodes[0].place is None else nodes[0].place.board
        if board is not None and board in self._boards:
            others = board.places.keys() - nodes
            # Who went to another board has left its last score behind, which could win.
            here = all(node.place is not None and node.place.board is board for node in (*nodes, *others))
            if here and all(node.quota is not None for node in others):
                return board
        board = Scoreboard(nodes)
        self._boards.add(board)
        return board


class _LeastRequestPicker:
    """Searches scores that the nodes write down, not the nodes."""

    __slots__ = ("_board", "_choose", "_draw", "_nodes", "_others")

    def __init__(self, board: Scoreboard, nodes: Sequence[Node], others: frozenset[Node], rng: random.Random) -> None:
        """`others` are on the board and not to be picked: they have a quota, and the score infinity unless it grants a pick."""
        self._board = board
        self._nodes = nodes
        self._others = others
        self._draw = draw(nodes, rng)
        self._choose = _choice(nodes, rng)

    def pick(self, request: Request) -> Node:
        try:
            node = self._board.least(self._draw, self._choose)
        except ValueError:
            # Another thread changed the least score since, or put its nodes on another board: anyone will do.
            return self._draw()
        return self._without_others() if node in self._others else node

    def explain(self, request: Request) -> Choice:
        """The same pick with all candidates."""
        return Choice.of(self.pick(request), self._nodes, f"the lowest score of {len(self._nodes)}")

    def _without_others(self) -> Node:
        least = min(node.score for node in self._nodes)
        return self._choose([node for node in self._nodes if node.score == least] or self._nodes)


def _choice(nodes: Sequence[Node], rng: random.Random) -> Callable[[Sequence[Node]], Node]:
    """Chooses among some of `nodes`, each with the chance that its share is of theirs."""
    uniform = rng.random
    if even(nodes):
        return lambda equals: equals[int(uniform() * len(equals))]
    heaviest = max(node.share for node in nodes)

    def by_share(equals: Sequence[Node]) -> Node:
        tries = _TRIES
        while tries:
            drawn = uniform() * len(equals)
            node = equals[int(drawn)]
            # What is behind the point is as random as another draw.
            if drawn % 1.0 * heaviest < node.share:
                return node
            tries -= 1
        sums = list(accumulate([node.share for node in equals]))
        return equals[bisect(sums, uniform() * sums[-1], 0, len(sums) - 1)]

    return by_share
