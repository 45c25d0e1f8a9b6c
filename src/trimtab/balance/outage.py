"""Failures of most nodes at once, which tell of what they have in common and not of each of them."""

from collections.abc import Collection

from .node import Connectivity, Node
from .success import FailureRun, excuse

_DOWN_BELOW = 0.5
"""Success from which on a node that time brings back is no longer taken to be down."""


class Outage:
    """Whether most of the reachable nodes are down, and whether that is over.

    Without it the first of them that answers is the only one that works, as far as is known. It takes what hundreds are there
    for, and may well break again, while the others wait a minute for a call that would show that they work too. So its answer
    counts for all, and each has to fail by itself to be taken to be down again.
    """

    def __init__(self) -> None:
        self._down: dict[Node, FailureRun] = {}
        self._shared = False

    def look(self, nodes: Collection[Node]) -> Collection[Node]:
        """Excuse all that are down if most were at the look before and one of these has answered; who was excused."""
        before, self._down = self._down, _down(nodes)
        excused = before | self._down
        if self._shared and any(node.failure_run is not run for node, run in before.items()):
            for node, run in excused.items():
                excuse(node, run)
            self._down, self._shared = {}, False
            return excused
        reachable = sum(node.connectivity is Connectivity.READY for node in nodes) if self._down else 0
        self._shared = 2 * len(self._down) > reachable > 1
        return ()


def _down(nodes: Collection[Node]) -> dict[Node, FailureRun]:
    return {
        node: run for node in nodes if node.success < _DOWN_BELOW and (run := node.failure_run) is not None and run.down
    }
