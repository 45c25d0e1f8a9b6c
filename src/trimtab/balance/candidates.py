"""Which nodes a strategy may choose from right now."""

from collections.abc import Collection, Iterator, Sequence

from ..model import Health
from .node import Connectivity, Node


def candidates(nodes: Collection[Node]) -> Sequence[Node] | None:
    """The nodes that may take calls; empty if there are none, None if it is worth waiting for a connection.

    Levels are tried in order: healthy endpoints by priority, then draining ones by priority, as the last resort when
    nothing else is ready (Kubernetes does the same for terminating endpoints). Within a level only connected nodes
    count. When no level can be reached at all, every node of the first one is tried: the caller gets gRPC's own error
    from a real attempt, and the first to come back is found.
    """
    levels = [level for level in _levels(nodes) if level]
    for level in levels:
        ready = [node for node in level if node.connectivity is Connectivity.READY]
        if ready:
            return ready
        if any(node.connectivity is not Connectivity.TRANSIENT_FAILURE for node in level):
            return None
    return levels[0] if levels else ()


def _levels(nodes: Collection[Node]) -> Iterator[Sequence[Node]]:
    priorities = sorted({node.priority for node in nodes})
    for health in (Health.HEALTHY, Health.DRAINING):
        for priority in priorities:
            yield [n for n in nodes if n.priority == priority and n.endpoint.health is health]
