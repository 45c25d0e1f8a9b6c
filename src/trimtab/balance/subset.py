"""Which endpoints of a large service one client connects to."""

from collections.abc import Iterable
from hashlib import blake2b

from ..model import Endpoint, Health

Ranked = tuple[int, Endpoint]
"""An endpoint with its priority."""


def subset(endpoints: Iterable[Ranked], limit: int, client_id: str) -> list[Ranked]:
    """At most `limit` of `endpoints`, the same ones for the same client every time.

    Rendezvous hashing (gRFC A68): one endpoint coming or going changes at most one place of the subset. Lower priorities
    and draining endpoints are let go before healthy ones of priority 0.
    """
    everyone = list(endpoints)
    if len(everyone) <= limit:
        return everyone

    def order(item: Ranked) -> tuple[int, bool, bytes]:
        priority, endpoint = item
        identity = "\0".join(map(str, endpoint.identity))
        return priority, endpoint.health is not Health.HEALTHY, rank(identity, client_id)

    return sorted(everyone, key=order)[:limit]


def rank(name: str, client_id: str) -> bytes:
    """Where `name` stands in the order that this client has of everything."""
    return blake2b(name.encode(), digest_size=8, key=client_id.encode()[:64]).digest()
