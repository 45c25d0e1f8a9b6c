"""How to pick until further notice."""

import random
from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate

from .candidates import Level
from .choice import Choice, explained
from .node import Node
from .picker import Picker
from .quota import Rations
from .request import Request

MakePicker = Callable[[Sequence[Node]], Picker]


class Plan:
    """What `Balancer.pick` reads of the slow path."""

    __slots__ = ("limited", "picker", "unlimited")

    def __init__(self, picker: Picker, unlimited: Picker | None, limited: Sequence[Node]) -> None:
        self.picker = picker
        self.limited = limited
        """The nodes that have a quota."""
        self.unlimited = unlimited
        """Over the nodes without a quota, for when one that has a quota has used it up; None: nobody has one."""

    def rationed(self, unlimited: Picker, rations: Rations, request: Request) -> Node:
        """A node while some have a quota."""
        # As `Rations.count` does it, without a call.
        turn = next(rations.turns)
        if turn >= rations.due_turn:
            rations.grant(self.limited, turn)
        node = (self.picker if rations.open else unlimited).pick(request)
        return node if node.quota is None or rations.take(node, turn) else unlimited.pick(request)

    def explained(self, rations: Rations, request: Request) -> Choice:
        """The node for a request, with a quota or without, and why: what was refused for its quota is not the choice."""
        if (unlimited := self.unlimited) is None:
            return explained(self.picker, request)
        turn = rations.count(self.limited)
        choice = explained(self.picker if rations.open else unlimited, request)
        return choice if rations.take(choice.node, turn) else explained(unlimited, request)


def plan(levels: Sequence[Level], make: MakePicker, rng: random.Random) -> Plan:
    """Pick among `levels`, of which there is at least one, by the pickers that `make` makes."""
    picker = _over(levels, make, rng)
    limited = [node for level in levels for node in level.nodes if node.quota is not None]
    if not limited:
        return Plan(picker, None, limited)
    left = [Level(nodes, level.share) for level in levels if (nodes := _unlimited(level))]
    return Plan(picker, _over(left, make, rng) if left else None, limited)


def _unlimited(level: Level) -> Sequence[Node]:
    return [node for node in level.nodes if node.quota is None]


def _over(levels: Sequence[Level], make: MakePicker, rng: random.Random) -> Picker:
    if len(levels) == 1:
        return make(levels[0].nodes)
    return _LevelPicker([make(level.nodes) for level in levels], [level.share for level in levels], rng)


class _LevelPicker:
    """Draws a level by its share, and lets its picker pick."""

    __slots__ = ("_pickers", "_random", "_sums", "_total")

    def __init__(self, pickers: Sequence[Picker], shares: Sequence[int], rng: random.Random) -> None:
        self._pickers = pickers
        self._sums = list(accumulate(shares))
        self._total = self._sums[-1]
        self._random = rng.random

    def pick(self, request: Request) -> Node:
        return self._drawn().pick(request)

    def explain(self, request: Request) -> Choice:
        """The same pick with what the level's picker tells."""
        return explained(self._drawn(), request)

    def _drawn(self) -> Picker:
        return self._pickers[bisect(self._sums, self._random() * self._total)]
