"""Versions as content hashes: equal content has equal versions, on every replica and after every restart.

Hashed are the domain values in canonical order, not protobuf bytes, whose order of map entries is nobody's promise.
"""

from collections.abc import Iterable
from hashlib import blake2b

from ..model import Assignment, Endpoint, LocalityEndpoints

_DIGEST_BYTES = 8


def assignment_version(assignment: Assignment) -> str:
    """The version of an assignment, whatever name it is served under."""
    groups = sorted(map(_group_key, assignment.localities))
    return _digest(repr(groups))


def endpoints_version(endpoints: Iterable[Endpoint]) -> str:
    """The version of endpoints alone, in any order."""
    return _digest(repr(sorted(map(_endpoint_key, endpoints))))


def combined_version(versions: Iterable[tuple[str, str]]) -> str:
    """The version of a set of named resources, from their names and versions in any order."""
    return _digest(repr(sorted(versions)))


def content_version(*values: object) -> str:
    """The version of what is made from plain values and frozen dataclasses alone."""
    return _digest(repr(values))


def _group_key(group: LocalityEndpoints) -> tuple[object, ...]:
    locality = group.locality
    place = (locality.region, locality.zone, locality.sub_zone)
    return (group.priority, place, group.weight, sorted(map(_endpoint_key, group.endpoints)))


def _endpoint_key(endpoint: Endpoint) -> tuple[object, ...]:
    return (
        endpoint.address,
        endpoint.port,
        endpoint.health.value,
        endpoint.weight,
        endpoint.additional_addresses,
        endpoint.hostname,
        endpoint.uid,
        # What has no labels keeps the version it had before there were any.
        *((endpoint.labels,) if endpoint.labels else ()),
        *((endpoint.origin,) if endpoint.origin else ()),
    )


def _digest(content: str) -> str:
    return blake2b(content.encode(), digest_size=_DIGEST_BYTES).hexdigest()
