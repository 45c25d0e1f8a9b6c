"""The subsets of a service's endpoints by the value of one Pod label."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from ..model import Assignment, Endpoint, Health, LocalityEndpoints

Subset = tuple[str, str]
"""Key and value of a Pod label."""


def subsets(assignment: Assignment, key: str) -> Mapping[str, Assignment]:
    """The endpoints that have the label `key`, by its value. Localities weigh what they have in the subset.

    One pass over the endpoints, however many subsets there are.
    """
    groups: defaultdict[str, list[LocalityEndpoints]] = defaultdict(list)
    for group in assignment.localities:
        by_value: defaultdict[str, list[Endpoint]] = defaultdict(list)
        for endpoint in group.endpoints:
            if (value := endpoint.label(key)) is not None:
                by_value[value].append(endpoint)
        for value, endpoints in by_value.items():
            healthy = sum(endpoint.health is Health.HEALTHY for endpoint in endpoints)
            groups[value].append(replace(group, endpoints=tuple(endpoints), weight=max(1, healthy)))
    return {value: replace(assignment, localities=_without_gaps(found)) for value, found in groups.items()}


def _without_gaps(groups: list[LocalityEndpoints]) -> tuple[LocalityEndpoints, ...]:
    # gRPC refuses priorities with gaps, and a subset may have nothing at one of them.
    present = sorted({group.priority for group in groups})
    return tuple(replace(group, priority=present.index(group.priority)) for group in groups)
