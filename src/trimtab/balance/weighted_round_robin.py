"""Turns in proportion to weights: the control plane's, or those that follow from the nodes' own load reports (gRFC A58)."""

import itertools
import random
from collections.abc import Sequence

from ..model import Policy
from .choice import Choice
from .node import Node
from .picker import Picker
from .request import Request

_MAX = 0xFFFF
_OFFSET = _MAX // 2
_SPREAD = 100.0
"""Weights that differ more than so much from their mean are clamped, so that a turn is found in a few steps."""


class WeightedRoundRobin:
    """Strategy `weighted_round_robin`: gRPC's static stride scheduler, which needs no lock and no queue."""

    wants_reports = True

    def __init__(self, policy: Policy, rng: random.Random) -> None:
        self._turns = itertools.count(rng.randrange(1 << 16))

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _StridePicker(nodes, _scaled([weight * node.success for weight, node in weights(nodes)]), self._turns)


def weights(nodes: Sequence[Node]) -> list[tuple[float, Node]]:
    """Reported weights where at least two nodes have one, else the control plane's.

    Nodes without one get the mean of the others, or what their first reports ask for where that is less.
    """
    reported = [node.reported_weight for node in nodes if node.reported_weight is not None]
    if len(reported) < 2:
        return [(float(node.endpoint.weight), node) for node in nodes]
    mean = sum(reported) / len(reported)
    return [(_weight(node, mean), node) for node in nodes]


def _weight(node: Node, mean: float) -> float:
    if node.reported_weight is not None:
        return node.reported_weight
    return mean if node.unproven_weight is None else min(node.unproven_weight, mean)


def _scaled(weights: Sequence[float]) -> list[int]:
    mean = sum(weights) / len(weights)
    least, most = mean / _SPREAD, mean * _SPREAD
    if min(weights) < least or max(weights) > most:
        weights = [min(max(weight, least), most) for weight in weights]
    scale = _MAX / max(weights)
    return [round(weight * scale) for weight in weights]


class _StridePicker:
    """Node i of weight w is due in a round when `w × round` passes a multiple of the largest weight.

    The offset of every second node keeps those of equal weight from being due in the same rounds.
    """

    __slots__ = ("_nodes", "_turns", "_weights")

    def __init__(self, nodes: Sequence[Node], weights: list[int], turns: "itertools.count[int]") -> None:
        self._nodes = tuple(nodes)
        self._weights = weights
        self._turns = turns

    def pick(self, request: Request) -> Node:
        nodes, weights, size = self._nodes, self._weights, len(self._nodes)
        while True:
            turn, index = divmod(next(self._turns), size)
            weight = weights[index]
            if (weight * turn + index * _OFFSET) % _MAX >= _MAX - weight:
                return nodes[index]

    def explain(self, request: Request) -> Choice:
        """The same pick, with how many of all turns the node has."""
        node = self.pick(request)
        part = self._weights[self._nodes.index(node)] / sum(self._weights)
        return Choice.of(node, (node,), f"its turn: by weight and success it has {part:.1%} of all")
