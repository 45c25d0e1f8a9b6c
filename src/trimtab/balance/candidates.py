"""Which nodes a strategy may choose from right now."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..model import Health
from .node import Connectivity, Node
from .priorities import Standing, spread


@dataclass(frozen=True, slots=True)
class Level:
    """Nodes to choose among for a part of the calls."""

    nodes: Sequence[Node]
    """At least one."""
    share: int = 100
    """Of the calls, relative to the other levels."""


def candidates(nodes: Collection[Node], unready: Mapping[int, int]) -> Sequence[Level] | None:
    """The nodes that may take calls; empty if there are none, None if it is worth waiting for a connection.

    Healthy endpoints go first, spread over the priorities as Envoy does it (docs/adr/0030). Draining ones, by priority, are the
    last resort when nothing else is ready (Kubernetes does the same for terminating endpoints). Only connected nodes count.
    When nobody can be reached at all, every node of the first level is tried: the caller gets gRPC's own error from a real
    attempt, and the first to come back is found. Ejected nodes count as if they were not there, unless there is nobody else
    or a priority is in panic.

    `unready` is how many endpoints of each priority were ready once and are not: nobody calls them, but their priority is
    that much less healthy.
    """
    groups = [group for group in _groups(nodes) if group]
    ejected: Sequence[Node] = ()
    for group in groups:
        ready = [node for node in group if node.connectivity is Connectivity.READY]
        if any(node.ejected_until is None for node in ready):
            return _spread(groups, unready) if _is_healthy(group) else (Level(_accepted(ready)),)
        ejected = ejected or ready
        if any(node.connectivity not in SETTLED for node in group) and not ejected:
            return None
    last = ejected or (groups[0] if groups else ())
    return (Level(last),) if last else ()


SETTLED = (Connectivity.READY, Connectivity.TRANSIENT_FAILURE)


def _groups(nodes: Collection[Node]) -> Iterator[Sequence[Node]]:
    priorities = sorted({node.priority for node in nodes})
    for health in (Health.HEALTHY, Health.DRAINING):
        for priority in priorities:
            yield [n for n in nodes if n.priority == priority and n.endpoint.health is health]


def _is_healthy(group: Sequence[Node]) -> bool:
    return group[0].endpoint.health is Health.HEALTHY


def _accepted(ready: Sequence[Node]) -> Sequence[Node]:
    return [node for node in ready if node.ejected_until is None]


def _spread(groups: Sequence[Sequence[Node]], unready: Mapping[int, int]) -> Sequence[Level]:
    healthy = [group for group in groups if _is_healthy(group)]
    ready = [[node for node in group if node.connectivity is Connectivity.READY] for group in healthy]
    # A node that connects for the first time is like a pod that was never ready: it makes nobody less healthy.
    settled = [
        sum(node.connectivity in SETTLED for node in group) + unready.get(group[0].priority, 0) for group in healthy
    ]
    parts = spread([Standing(len(_accepted(r)), total) for r, total in zip(ready, settled, strict=True)])
    chosen = [r if part.panic else _accepted(r) for r, part in zip(ready, parts, strict=True)]
    levels = [Level(nodes, part.load) for nodes, part in zip(chosen, parts, strict=True) if nodes and part.load]
    # In panic all of the load may belong to a priority of which nobody can be reached.
    return levels or [Level(nodes, len(nodes)) for nodes in chosen if nodes]
