"""Zone and endpoint as one decision (docs/adr/0037)."""

import random
from bisect import bisect
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from .choice import Choice, explained
from .node import Node
from .picker import Picker
from .request import Request
from .shares import draw
from .zone import zone_name
from .zone_shares import HEALTH, OVERLOAD, Part

_STAY = 1 / 64
"""Of the calls that would leave, to know when it is good at home again."""
_FAILS = 0.8
"""Below this success a node is left because it fails, not because it is overloaded."""


class Crossings:
    """Counts the calls that leave the client's zone, by reason. Threads may lose some."""

    __slots__ = ("counts", "home")

    def __init__(self, home: str, counts: dict[str, int]) -> None:
        self.home = home
        """Empty: not known, and nothing is counted."""
        self.counts = counts

    def count(self, reason: str) -> None:
        """One call leaves."""
        self.counts[reason] += 1


class ZonePicker:
    """Draws the zone where a call belongs, and lets a picker pick there. Then a node of another zone is drawn, which takes the
    call over if it would take much longer where it belongs.

    What is much longer is drawn as well, around the penalty, so that calls leave gradually.
    """

    __slots__ = ("_crossings", "_parts", "_penalty", "_pickers", "_random", "_rivals", "_sums")

    def __init__(
        self,
        parts: Sequence[Part],
        pickers: Sequence[Picker],
        rivals: Sequence[Sequence[Node]],
        penalty: float,
        crossings: Crossings,
        rng: random.Random,
    ) -> None:
        """For each part its picker, and the nodes of other zones that may take its calls over."""
        self._parts = parts
        self._pickers = pickers
        self._rivals = [(nodes, draw(nodes, rng)) if nodes else None for nodes in rivals]
        *self._sums, _ = accumulate(part.share for part in parts)
        self._penalty = penalty
        self._crossings = crossings
        self._random = rng.random

    def pick(self, request: Request) -> Node:
        random = self._random
        index = bisect(self._sums, random())
        node, reason = self._pickers[index].pick(request), self._parts[index].reason
        if (rivals := self._rivals[index]) is not None:
            nodes, drawn = rivals
            rival = nodes[drawn()]
            if self._leaves(node, rival, random()) and random() >= _STAY:
                node, reason = rival, self._why(reason, node)
        # A node with a quota is counted when it is admitted.
        if reason and node.quota is None:
            self._crossings.count(reason)
        return node

    def explain(self, request: Request) -> Choice:
        """The same pick with what the zone's picker tells, and the rival."""
        index = bisect(self._sums, self._random())
        part, choice = self._parts[index], explained(self._pickers[index], request)
        node, reason, why = choice.node, part.reason, f"zone {part.zone}: {choice.why}"
        if (rivals := self._rivals[index]) is not None:
            nodes, drawn = rivals
            rival = nodes[drawn()]
            choice = replace(choice, candidates=(*choice.candidates, *Choice.of(rival, (rival,), "").candidates))
            if self._leaves(node, rival, self._random()) and self._random() >= _STAY:
                reason = self._why(reason, node)
                node, why = rival, f"zone {zone_name(rival)} instead of {part.zone}: calls take much longer there"
        if reason and node.quota is None:
            self._crossings.count(reason)
        return replace(choice, node=node, why=f"{why} ({reason})" if reason else why)

    def _leaves(self, node: Node, rival: Node, dice: float) -> bool:
        here, there = node.zone, rival.zone
        assert here is not None
        assert there is not None
        ahead = rival.score * there.gain + there.base
        return node.score * here.gain + here.base > ahead * (1.0 + self._penalty * (0.5 + dice))

    def _why(self, reason: str, node: Node) -> str:
        return reason or ((HEALTH if node.success < _FAILS else OVERLOAD) if self._crossings.home else "")


class AnyZonePicker:
    """Where weights are as capacity, zones are no matter; only what leaves the client's is counted."""

    __slots__ = ("_crossings", "_picker", "_reason")

    def __init__(self, picker: Picker, reason: str, crossings: Crossings) -> None:
        self._picker = picker
        self._reason = reason
        self._crossings = crossings

    def pick(self, request: Request) -> Node:
        node = self._picker.pick(request)
        if zone_name(node) != self._crossings.home and node.quota is None:
            self._crossings.count(self._reason)
        return node

    def explain(self, request: Request) -> Choice:
        """The same pick with what its picker tells."""
        choice = explained(self._picker, request)
        if zone_name(choice.node) == self._crossings.home:
            return choice
        if choice.node.quota is None:
            self._crossings.count(self._reason)
        return replace(choice, why=f"zone {zone_name(choice.node)} ({self._reason}): {choice.why}")
