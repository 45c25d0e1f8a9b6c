"""Why clients are told what they are told about a service: where each endpoint comes from, and why others are left out.

The steps are those of `join` itself, followed endpoint by endpoint; so an explanation cannot differ from what was done.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct

from ..model import Assignment, Endpoint, Health, Locality
from .join import deduplicated, family_of, paired, port_number
from .kubernetes import Conditions, EndpointSlice
from .placements import Place


class Source(Struct, frozen=True):
    """One slice of the service."""

    slice: str
    address_type: str
    endpoints: int
    port: int | None
    """The number of the service's port in this slice; None: it has no such port, so none of its endpoints count."""


class LeftOut(Struct, frozen=True):
    """An endpoint that a slice lists and clients are not told about."""

    address: str
    slice: str
    pod: str
    why: str


@dataclass(frozen=True, slots=True)
class Origin:
    """An endpoint of a slice, as it goes into the join."""

    endpoint: Endpoint
    locality: Locality
    slice: str
    node: str
    conditions: Conditions

    @property
    def owner(self) -> tuple[object, ...]:
        """What makes two of them the same endpoint in two slices."""
        endpoint = self.endpoint
        name = (endpoint.uid, family_of(endpoint.address)) if endpoint.uid else (endpoint.address,)
        return (*name, endpoint.port)

    @property
    def place(self) -> tuple[str, int]:
        return self.endpoint.address, self.endpoint.port


def sources(slices: Iterable[EndpointSlice], port_name: str) -> list[Source]:
    """The slices of a service, in the order in which they were applied."""
    return [
        Source(
            part.metadata.name, part.address_type, len(part.endpoints or ()), port_number(part.ports or (), port_name)
        )
        for part in slices
    ]


def origins(slices: Iterable[EndpointSlice], port_name: str, place: Place) -> list[Origin]:
    """Every endpoint of every slice that has the port, in the order in which the slices were applied."""
    return [
        Origin(endpoint, locality, part.metadata.name, listed.node_name or "", listed.conditions or Conditions())
        for part in slices
        if part.address_type in ("IPv4", "IPv6")
        for listed, (endpoint, locality) in paired(part, port_name, place)
    ]


def kept(found: Sequence[Origin]) -> list[Origin]:
    """Those that the join took."""
    taken = {id(endpoint) for endpoint, _ in deduplicated((origin.endpoint, origin.locality) for origin in found)}
    return [origin for origin in found if id(origin.endpoint) in taken]


def left_out(
    found: Sequence[Origin], served: Assignment, refused: str | None, others: Mapping[tuple[str, int], str]
) -> Iterator[LeftOut]:
    """What of the slices is not in the assignment that is served, and why; `others` says why some are not asked for, by place."""
    taken = set(map(id, kept(found)))
    told = {(address, endpoint.port) for _, endpoint in served.endpoints() for address in _addresses(endpoint)}
    for index, origin in enumerate(found):
        if id(origin) not in taken:
            why = _why_dropped(origin, found[index + 1 :])
        elif origin.place not in told:
            why = others.get(origin.place) or _why_not_served(refused)
        else:
            continue
        yield LeftOut(_authority(origin.endpoint), origin.slice, origin.endpoint.hostname, why)


def _addresses(endpoint: Endpoint) -> tuple[str, ...]:
    return endpoint.address, *endpoint.additional_addresses


def _why_dropped(origin: Origin, later: Sequence[Origin]) -> str:
    for other in later:
        if other.owner == origin.owner:
            if other.slice == origin.slice:
                return "duplicate: the same slice lists it again further down, which counts"
            return f"duplicate: slice {other.slice} lists it too, was applied later, and counts"
    if origin.endpoint.health is Health.UNHEALTHY:
        return _why_not_ready(origin.conditions)
    owner = next((other for other in later if other.place == origin.place), None)
    pod = "another endpoint" if owner is None else f"pod {owner.endpoint.hostname or '?'} of slice {owner.slice}"
    return f"its address belongs to {pod} by now"


def _why_not_ready(conditions: Conditions) -> str:
    if conditions.terminating:
        return "terminating, and no longer serving"
    return "not ready"


def _why_not_served(refused: str | None) -> str:
    if refused is not None:
        return "newer than what is served: the newest endpoints were refused, the last good ones stay"
    return "dropped before publishing; see repairs"


def _authority(endpoint: Endpoint) -> str:
    return f"[{endpoint.address}]:{endpoint.port}" if ":" in endpoint.address else f"{endpoint.address}:{endpoint.port}"
