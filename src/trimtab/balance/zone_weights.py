"""How many of its calls a client's zone sends to each zone.

Envoy's zone-aware routing formula (docs: "Zone aware routing"), without its early exits, so that it works with three pods in
three zones. The control plane computes it, so that every kind of client gets zone affinity from plain locality weights.
"""

from collections.abc import Mapping

TOTAL = 10_000
"""Weights are shares in basis points."""
QUANTA = 60
"""Shares of clients are counted in 1/60: halves, thirds, quarters, fifths and sixths are exact."""
_LEAST = 1
"""A locality of weight 0 does not exist for gRPC: with every local pod refusing calls there would be nowhere to go."""


def zone_weights(client_zone: str, capacity: Mapping[str, int], census: Mapping[str, int] | None) -> dict[str, int]:
    """A weight of at least 1 for every zone that has healthy capacity.

    `capacity` is the healthy capacity per zone, `census` the number of clients per zone, None while it is not known. A client
    of unknown zone, or any client before the census, goes by capacity alone.
    """
    zones = {zone: amount for zone, amount in capacity.items() if amount > 0}
    if not census or not client_zone or not census.get(client_zone):
        return zones
    shares = _shares(client_zone, zones, census)
    return {zone: max(_LEAST, round(TOTAL * share)) for zone, share in shares.items()}


def _shares(client_zone: str, capacity: Mapping[str, int], census: Mapping[str, int]) -> dict[str, float]:
    total_capacity, total_clients = sum(capacity.values()), sum(census.values())
    upstream = {zone: amount / total_capacity for zone, amount in capacity.items()}
    clients = {zone: census.get(zone, 0) / total_clients for zone in {*capacity, client_zone}}
    local = min(1.0, upstream.get(client_zone, 0.0) / clients[client_zone])
    # What other zones have left once their own clients are served takes the rest.
    residual = {zone: max(0.0, share - clients[zone]) for zone, share in upstream.items() if zone != client_zone}
    spare = sum(residual.values())
    shares = {zone: (1.0 - local) * left / spare if spare else 0.0 for zone, left in residual.items()}
    if client_zone in upstream:
        shares[client_zone] = local
    return shares


def quantised(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts as shares of `QUANTA`, by largest remainder; a zone with clients has at least one."""
    total = sum(counts.values())
    exact = {zone: QUANTA * count / total for zone, count in counts.items()}
    shares = {zone: max(1, int(share)) for zone, share in exact.items()}
    by_remainder = sorted(exact, key=lambda zone: (int(exact[zone]) - exact[zone], zone))
    for zone in by_remainder[: max(0, QUANTA - sum(shares.values()))]:
        shares[zone] += 1
    return shares
