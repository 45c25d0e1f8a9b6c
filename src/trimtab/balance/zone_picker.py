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
from .shares import even
from .zone import zone_name
from .zone_shares import HEALTH, OVERLOAD, Part

_STAY = 1 / 64
"""Of the calls that would leave, to know when it is good at home again."""
_LOTS = 8
"""In the draw for a rival, of the node with the largest share; others have fewer."""
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

    __slots__ = ("_choices", "_counts", "_home", "_least", "_penalty", "_random", "_sums")

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
        self._choices = [
            (picker, part.reason, part.zone, lots := _lots(nodes), len(lots))
            for part, picker, nodes in zip(parts, pickers, rivals, strict=True)
        ]
        # The zones may be fewer than calls belong to: those of which every node has a quota are left out at times.
        *sums, total = accumulate(part.share for part in parts)
        self._sums = [sum_ / total for sum_ in sums]
        self._least, self._penalty = 1.0 + penalty / 2, penalty
        self._home = crossings.home
        self._counts = crossings.counts
        self._random = rng.random

    def pick(self, request: Request) -> Node:
        picker, reason, _, lots, size = self._choices[bisect(self._sums, self._random())]
        node = picker.pick(request)
        if size:
            rival = lots[int(self._random() * size)]
            if self._leaves(node, rival):
                node, reason = rival, reason or self._why(node)
        # A node with a quota is counted when it is admitted.
        if reason and node.quota is None:
            self._counts[reason] += 1
        return node

    def explain(self, request: Request) -> Choice:
        """The same pick with what the zone's picker tells, and the rival."""
        picker, reason, zone, lots, size = self._choices[bisect(self._sums, self._random())]
        choice = explained(picker, request)
        node, why = choice.node, f"zone {zone}: {choice.why}"
        if size:
            rival = lots[int(self._random() * size)]
            choice = replace(choice, candidates=(*choice.candidates, *Choice.of(rival, (rival,), "").candidates))
            if self._leaves(node, rival):
                why = f"zone {zone_name(rival)} instead of {zone}, where calls take longer by more than the penalty"
                node, reason = rival, reason or self._why(node)
        if reason and node.quota is None:
            self._counts[reason] += 1
        return replace(choice, node=node, why=f"{why} ({reason})" if reason else why)

    def _leaves(self, node: Node, rival: Node) -> bool:
        here, there = node.zone, rival.zone
        if here is None or there is None:
            return False
        longer = self._least + self._penalty * self._random()
        leaves = node.score * here.gain + here.base > (rival.score * there.gain + there.base) * longer
        return leaves and self._random() >= _STAY

    def _why(self, left: Node) -> str:
        if not self._home:
            return ""
        return HEALTH if left.success < _FAILS else OVERLOAD


class AnyZonePicker:
    """Where weights are as capacity, zones are no matter; only what leaves the client's is counted."""

    __slots__ = ("_counts", "_home", "_picker", "_reason")

    def __init__(self, picker: Picker, reason: str, crossings: Crossings) -> None:
        self._picker = picker
        self._reason = reason
        self._home = crossings.home
        self._counts = crossings.counts

    def pick(self, request: Request) -> Node:
        node = self._picker.pick(request)
        if ((zone := node.zone) is None or zone.name != self._home) and node.quota is None:
            self._counts[self._reason] += 1
        return node

    def explain(self, request: Request) -> Choice:
        """The same pick with what its picker tells."""
        choice = explained(self._picker, request)
        if zone_name(choice.node) == self._home:
            return choice
        if choice.node.quota is None:
            self._counts[self._reason] += 1
        return replace(choice, why=f"zone {zone_name(choice.node)} ({self._reason}): {choice.why}")


def _lots(nodes: Sequence[Node]) -> Sequence[Node]:
    """Each node as often as its share has it, nearly: who may take over need not be drawn more exactly."""
    if even(nodes):
        return nodes
    largest = max(node.share for node in nodes)
    return [node for node in nodes for _ in range(max(1, round(_LOTS * node.share / largest)))]
