"""Which part of all calls would be a node's if it were neither new nor failing."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from .candidates import Level
from .node import Node
from .zone import zone_name
from .zone_shares import Spread


class FairShares:
    """Of the calls that belong to its priority and its zone a node has its part by weight and ramp.

    Who takes no calls now, as it drains, cannot be reached or is of a priority that has none, takes nothing from the others.
    """

    def __init__(self, nodes: Collection[Node], levels: Sequence[Level], spreads: Mapping[int, Spread]) -> None:
        """`levels`, with at least one node each, take all calls, and these go to zones by `spreads`."""
        self._by_ramp: dict[tuple[int, str], float] = {}
        """What one of weight 1 that has all of its ramp gets, by priority and zone."""
        whole = sum(level.share for level in levels)
        for level in levels:
            priority = level.nodes[0].priority
            spread = spreads.get(priority)
            capacities: defaultdict[str, float] = defaultdict(float)
            for node in level.nodes:
                capacities[zone_name(node)] += node.share * node.ramp
            parts = spread.by_zone if spread is not None and not spread.flat else {}
            everybody = sum(capacities.values())
            for zone, capacity in capacities.items():
                part = parts[zone] / capacity if zone in parts else 1.0 / everybody
                self._by_ramp[priority, zone] = part * level.share / whole
        # Whoever takes no calls now may soon: as if all did.
        self._otherwise = 1.0 / sum([node.share * node.ramp for node in nodes])

    def of(self, node: Node) -> float:
        """A part of 1."""
        by_ramp = self._by_ramp.get((node.priority, zone_name(node)), self._otherwise)
        return node.endpoint.weight * node.ramp * by_ramp
