"""Which nodes a strategy may choose from right now."""

from collections.abc import Collection, Iterator, Sequence

from ..model import Health
from .node import Connectivity, Node


def candidates(nodes: Collection[Node]) -> Sequence[Node] | None:
    """The nodes that may take calls; empty if there are none, None if it is worth waiting for a connection.

    Levels are tried in order: healthy endpoints by priority, then draining ones by priority, as the last resort when
    nothing else is ready (Kubernetes does the same for terminating endpoints). Within a level only connected nodes
    count. When no level can be reached at all, every node of the first one is tried: the caller gets gRPC's own error
    from a real attempt, and the first to come back is found. Ejected nodes count as if they were not there, unless there is
    nobody else.
    """
    levels = [level for level in _levels(nodes) if level]
    ejected: Sequence[Node] = ()
    for level in levels:
        ready = [node for node in level if node.connectivity is Connectivity.READY]
        accepted = [node for node in ready if node.ejected_until is None]
        if accepted:
            return accepted
        ejected = ejected or ready
        if any(node.connectivity not in _SETTLED for node in level) and not ejected:
            return None
    return ejected or (levels[0] if levels else ())


_SETTLED = (Connectivity.READY, Connectivity.TRANSIENT_FAILURE)


def _levels(nodes: Collection[Node]) -> Iterator[Sequence[Node]]:
    priorities = sorted({node.priority for node in nodes})
    for health in (Health.HEALTHY, Health.DRAINING):
        for priority in priorities:
            yield [n for n in nodes if n.priority == priority and n.endpoint.health is health]
