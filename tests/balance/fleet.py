"""Fleets of endpoints and nodes for the tests of balancing."""

import random
from collections.abc import Sequence

from trimtab.balance import Balancer, Changes, Connectivity, Node
from trimtab.model import Assignment, Endpoint, Health, Locality, LocalityEndpoints, Policy


def endpoints(count: int, health: Health = Health.HEALTHY, start: int = 0) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(f"10.0.{i // 250}.{i % 250 + 1}", 8080, health) for i in range(start, start + count))


def nodes(count: int) -> list[Node]:
    return [Node(endpoint) for endpoint in endpoints(count)]


def assignment(*levels: Sequence[Endpoint]) -> Assignment:
    """One locality per priority."""
    groups = (
        LocalityEndpoints(Locality("eu", "eu-a"), tuple(level), priority=priority)
        for priority, level in enumerate(levels)
    )
    return Assignment("payments.prod:8080", tuple(groups))


def balancer(policy: Policy | None = None, seed: int = 1) -> Balancer:
    return Balancer(policy or Policy(), client_id="test", rng=random.Random(seed), clock=lambda: 0.0)


def update(to: Balancer, *levels: Sequence[Endpoint]) -> Changes:
    """Apply an assignment; what is new connects, what is gone is let go."""
    changes = to.update(assignment(*levels))
    to.connectivities_changed(dict.fromkeys(changes.opened, Connectivity.READY))
    for node in changes.closed:
        node.retire(lambda _: None)
    return changes
