"""An assignment as clients of one zone are to see it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from ..model import Assignment, Health, LocalityEndpoints
from .zone_weights import zone_weights


def zone_view(assignment: Assignment, client_zone: str, census: Mapping[str, int] | None) -> Assignment:
    """`assignment` with the weights of its first priority set for clients of `client_zone`.

    The localities of one zone share its weight by their healthy endpoints. Without a census, or for a client of unknown
    zone, the assignment is as it was: every locality weighs what it can take.
    """
    if not census or not client_zone:
        return assignment
    first = [group for group in assignment.localities if group.priority == 0]
    capacity: Counter[str] = Counter()
    for group in first:
        capacity[group.locality.zone] += _healthy(group)
    weights = zone_weights(client_zone, capacity, census)
    return replace(
        assignment,
        localities=tuple(
            replace(group, weight=_share(group, weights, capacity)) if group.priority == 0 else group
            for group in assignment.localities
        ),
    )


def _healthy(group: LocalityEndpoints) -> int:
    return sum(endpoint.health is Health.HEALTHY for endpoint in group.endpoints)


def _share(group: LocalityEndpoints, weights: Mapping[str, int], capacity: Mapping[str, int]) -> int:
    zone = group.locality.zone
    if not capacity[zone]:
        return 1
    return max(1, weights[zone] * _healthy(group) // capacity[zone])
