"""A big change cut into portions, between which the event loop gets to serve streams."""

from collections.abc import Iterator, Sequence

from .kubernetes import EndpointSlice, Object, ObjectKey, Service

ENDPOINTS = 500
"""Endpoints per portion; joining and publishing them takes some ten milliseconds."""
_DELETES = 20
_OVERHEAD = 5
"""What taking in an object costs besides its endpoints, in endpoints."""

Portion = tuple[Sequence[Object], Sequence[ObjectKey]]


def portions(upserts: Sequence[Object], deletes: Sequence[ObjectKey], limit: int = ENDPOINTS) -> Iterator[Portion]:
    """The same change in steps. What concerns one service is new in one step; what is gone is gone in the last steps.

    So an endpoint that moves between two slices of a service is in one of them at any time.
    """
    if sum(map(_cost, upserts)) <= limit and len(deletes) <= _DELETES:
        yield upserts, deletes
        return
    portion: list[Object] = []
    cost = 0
    for group in _by_service(upserts):
        portion.extend(group)
        cost += sum(map(_cost, group))
        if cost >= limit:
            yield portion, ()
            portion, cost = [], 0
    yield portion, ()
    for start in range(0, len(deletes), _DELETES):
        yield (), deletes[start : start + _DELETES]


def _by_service(upserts: Sequence[Object]) -> Iterator[Sequence[Object]]:
    """Nodes and what else a join looks up first, then service by service, in the order of their first mention."""
    groups: dict[tuple[str, str], list[Object]] = {}
    for item in upserts:
        if isinstance(item, EndpointSlice):
            groups.setdefault(item.service, []).append(item)
        elif isinstance(item, Service):
            groups.setdefault((item.metadata.namespace, item.metadata.name), []).append(item)
        else:
            yield [item]
    yield from groups.values()


def _cost(item: Object) -> int:
    return _OVERHEAD + (len(item.endpoints or ()) if isinstance(item, EndpointSlice) else 0)
