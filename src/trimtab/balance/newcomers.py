"""How new endpoints come to their share: slow start, and one call at a time until the first answer."""

from collections.abc import Collection

from ..model import Assignment, Policy
from .node import Node
from .slow_start import ramp


def introduce(node: Node, assignment: Assignment, known: Collection[Node], now: float) -> None:
    """A node is new to this client. Whether its endpoint is new to everyone, the control plane knows."""
    since, offset_s = node.endpoint.ready_since, assignment.clock_offset_s
    if since is not None and offset_s is not None:
        # Clocks run apart, and an endpoint is never younger than its appearance here.
        node.ready_at = min(now, since + offset_s)
    elif known:
        node.ready_at = now
    # Where nobody is known yet, all are called at once: there is nobody to wait with.
    node.proven = not any(other.proven for other in known)


def ramp_up(nodes: Collection[Node], policy: Policy, now: float) -> None:
    """Bring every node's ramp up to date, relative to the node that is furthest: a fleet that is all new ramps nobody."""
    if not policy.slow_start_s:
        return
    grown_at = now - policy.slow_start_s
    ramps = [
        1.0
        if (ready_at := node.ready_at) is None or ready_at <= grown_at
        else ramp(now - ready_at, policy.slow_start_s, policy.slow_start_aggression, policy.slow_start_min)
        for node in nodes
    ]
    furthest = max(ramps, default=1.0)
    for node, value in zip(nodes, ramps, strict=True):
        if node.ramp != value / furthest:
            node.ramp = value / furthest
            node.reweigh()
