"""How every node stands, for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .node import Node


@dataclass(frozen=True, slots=True)
class Belonging:
    """Which calls belong to a node, with others."""

    zone: str
    """Where it runs; empty: not known."""
    priority_share: float
    """Of all calls: what goes to its priority now."""
    zone_share: float
    """Of those: what belongs to its zone while nobody is overloaded. 1 where zones make no difference."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """One node in one moment."""

    address: str
    hostname: str
    origin: str
    """The fallback service it belongs to; empty: the service itself."""
    priority: int
    priority_share: float
    """Of all calls: what goes to its priority now."""
    zone: str
    """Where it runs; empty: not known."""
    zone_share: float
    """Of the calls of its priority: what belongs to its zone while nobody is overloaded. 1 where zones make no difference."""
    shard: str | None
    """The value of the label by which the service is divided; None: it is not, or the endpoint does not have it."""
    health: str
    """As the control plane sees it."""
    connectivity: str
    in_flight: int
    load: float
    score: float
    """`load / (weight × ramp × success)`; lower is better."""
    weight: int
    reported_weight: float | None
    """By the node's own load reports; None: they do not count now."""
    ramp: float
    """Share by slow start."""
    success: float
    """Moving average of successful calls, and next to nothing while so many failed in a row that it is taken to be down."""
    latency_s: float
    """Peak EWMA; 0 where it is not measured."""
    proven: bool
    """Whether it has ever answered."""
    limited: bool
    """Whether it gets no more than its share, because it is new or fails."""
    ejected_for_s: float | None
    """How long it stays ejected as an outlier; None: it is not."""
    stale_s: float | None
    """For how long nobody has stood by it, if it is known from disk alone; None: the control plane said it to this process."""


class Explanation(tuple[NodeState, ...]):
    """How every endpoint in use stands, by address, and why it is these."""

    where: str
    """Whence they are: the control plane, or plain DNS and why."""
    part: str
    """How many of the endpoints there are are used, and why."""
    client_zone: str
    """Where this client runs, as the control plane or the bootstrap says; empty: not known."""
    crossings: Mapping[str, int]
    """Calls that left that zone so far, by reason; empty where zones make no difference."""


def explain(
    nodes: Mapping[Node, Belonging],
    now: float,
    shard_label: str | None = None,
    stale_s: float | None = None,
    *,
    where: str = "",
    part: str = "",
    client_zone: str = "",
    crossings: Mapping[str, int] = MappingProxyType({}),
) -> Explanation:
    """The states of `nodes`, by address. `shard_label` is what the service is divided by."""
    states = (_state(node, belonging, now, shard_label, stale_s) for node, belonging in nodes.items())
    explanation = Explanation(sorted(states, key=lambda state: state.address))
    explanation.where, explanation.part = where, part
    explanation.client_zone, explanation.crossings = client_zone, crossings
    return explanation


def _state(node: Node, belonging: Belonging, now: float, shard_label: str | None, stale_s: float | None) -> NodeState:
    return NodeState(
        address=node.endpoint.authority,
        hostname=node.endpoint.hostname,
        origin=node.endpoint.origin,
        priority=node.priority,
        priority_share=belonging.priority_share,
        zone=belonging.zone,
        zone_share=belonging.zone_share,
        shard=None if shard_label is None else node.endpoint.label(shard_label),
        health=node.endpoint.health.value,
        connectivity=node.connectivity.value,
        in_flight=node.in_flight,
        load=node.load,
        score=node.relative_load,
        weight=node.endpoint.weight,
        reported_weight=node.reported_weight,
        ramp=node.ramp,
        success=node.success,
        latency_s=node.latency_s,
        proven=node.proven,
        limited=node.quota is not None,
        ejected_for_s=None if node.ejected_until is None else max(0.0, node.ejected_until - now),
        stale_s=stale_s,
    )
