"""The publish gate: nothing leaves that a client would refuse.

Between catalog and wire each assignment is repaired where the repair is obvious, and refused where it is not; then the last
good one stays published. The rules are what gRPC and Envoy NACK, or accept and then silently ignore (docs/adr/0010).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from socket import AF_INET, AF_INET6, inet_pton

from ..model import Assignment, Endpoint, Health, Locality, LocalityEndpoints

_UINT32_MAX = 2**32 - 1
Place = tuple[int, int]
"""An endpoint by the index of its locality and its own."""
_BEST_FIRST = {Health.HEALTHY: 0, Health.DRAINING: 1, Health.UNHEALTHY: 2}


@dataclass(frozen=True, slots=True)
class Passed:
    """What may be published, and what had to be done to it."""

    assignment: Assignment
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing of this may be published; what was published before stays."""

    reason: str


def gate(assignment: Assignment) -> Passed | Refused:
    """Repair or refuse an assignment before it is encoded."""
    if _flawless(assignment):
        return Passed(assignment)
    repairs: list[str] = []
    groups = _without_invalid(assignment.localities, repairs)
    if len(assignment) and not any(group.endpoints for group in groups):
        return Refused(f"all {len(assignment)} endpoints are invalid: {'; '.join(repairs[:3])}")
    groups = _merge_localities(groups, repairs)
    groups = _deduplicated(groups, repairs)
    groups = _dense_priorities(groups, repairs)
    groups = _weighted(groups, repairs)
    return Passed(replace(assignment, localities=tuple(groups)), tuple(repairs))


def _flawless(assignment: Assignment) -> bool:
    """Whether it is of the one form that nearly all have, and nothing is wrong with it: said quickly, for every change asks."""
    places: set[tuple[str, int]] = set()
    total = 0
    for group in assignment.localities:
        total += group.weight
        if group.priority or group.weight < 1 or not group.endpoints or total > _UINT32_MAX:
            return False
        for endpoint in group.endpoints:
            # IPv6 can be written in several ways, and additional addresses count too: both take a closer look.
            if endpoint.additional_addresses or ":" in endpoint.address or _fault(endpoint):
                return False
            places.add((endpoint.address, endpoint.port))
    return len(places) == len(assignment) and len({group.locality for group in assignment.localities}) == len(
        assignment.localities
    )


def _without_invalid(groups: Iterable[LocalityEndpoints], repairs: list[str]) -> list[LocalityEndpoints]:
    kept = []
    for group in groups:
        faults = [_fault(endpoint) for endpoint in group.endpoints]
        repairs.extend(filter(None, faults))
        valid = (e for e, fault in zip(group.endpoints, faults, strict=True) if not fault)
        kept.append(replace(group, endpoints=tuple(_with_valid_additions(e, repairs) for e in valid)))
    return kept


def _with_valid_additions(endpoint: Endpoint, repairs: list[str]) -> Endpoint:
    bad = [address for address in endpoint.additional_addresses if not _is_address(address)]
    if not bad:
        return endpoint
    repairs.extend(f"dropped {address} of {endpoint.authority}: not an IP address" for address in bad)
    good = (address for address in endpoint.additional_addresses if address not in bad)
    return replace(endpoint, additional_addresses=tuple(good))


def _fault(endpoint: Endpoint) -> str | None:
    """Why gRPC would refuse the whole assignment because of this endpoint."""
    if not _is_address(endpoint.address):
        return f"dropped {endpoint.address}:{endpoint.port}: not an IP address"
    if not 1 <= endpoint.port <= 65535:
        return f"dropped {endpoint.address}:{endpoint.port}: port not between 1 and 65535"
    if not 1 <= endpoint.weight <= _UINT32_MAX:
        return f"dropped {endpoint.address}:{endpoint.port}: weight {endpoint.weight} not between 1 and {_UINT32_MAX}"
    return None


def _is_address(text: str) -> bool:
    if "%" in text:
        # An interface of one host means nothing to another.
        return False
    try:
        # A tenth of what `ipaddress` takes, for every endpoint of every change.
        inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except (OSError, ValueError):
        return False
    return True


def _canonical(address: str) -> str:
    """The one form of an address that may be written in several, as those of IPv6 may."""
    return str(ip_address(address)) if ":" in address else address


def _merge_localities(groups: Iterable[LocalityEndpoints], repairs: list[str]) -> list[LocalityEndpoints]:
    merged: dict[tuple[int, Locality], LocalityEndpoints] = {}
    for group in groups:
        key = (group.priority, group.locality)
        if first := merged.get(key):
            repairs.append(f"merged locality {group.locality} listed twice at priority {group.priority}")
            group = replace(first, endpoints=first.endpoints + group.endpoints, weight=first.weight + group.weight)
        merged[key] = group
    return list(merged.values())


def _deduplicated(groups: list[LocalityEndpoints], repairs: list[str]) -> list[LocalityEndpoints]:
    """Each address once: the healthiest, at the first priority it has."""
    best: dict[tuple[str, int], tuple[int, int, Place]] = {}
    for place, endpoint in _places(groups):
        address = (_canonical(endpoint.address), endpoint.port)
        entry = (_BEST_FIRST[endpoint.health], groups[place[0]].priority, place)
        if address in best:
            repairs.append(f"dropped {endpoint.authority}: listed twice")
        best[address] = min(entry, best.get(address, entry))
    chosen: list[list[Endpoint]] = [[] for _ in groups]
    for _, _, (group, index) in sorted(best.values(), key=lambda entry: entry[2]):
        chosen[group].append(groups[group].endpoints[index])
    unique = [replace(group, endpoints=tuple(kept)) for group, kept in zip(groups, chosen, strict=True)]
    return _with_unique_additions(unique, set(best), repairs)


def _with_unique_additions(
    groups: list[LocalityEndpoints], taken: set[tuple[str, int]], repairs: list[str]
) -> list[LocalityEndpoints]:
    """An additional address counts like any other: gRPC refuses all of an assignment that has one twice (gRFC A61)."""

    def unique(endpoint: Endpoint) -> Endpoint:
        if not endpoint.additional_addresses:
            return endpoint
        kept = []
        for address in endpoint.additional_addresses:
            place = (_canonical(address), endpoint.port)
            if place in taken:
                repairs.append(f"dropped {address} of {endpoint.authority}: listed twice")
            else:
                kept.append(address)
            taken.add(place)
        return replace(endpoint, additional_addresses=tuple(kept))

    return [replace(group, endpoints=tuple(map(unique, group.endpoints))) for group in groups]


def _places(groups: list[LocalityEndpoints]) -> Iterator[tuple[Place, Endpoint]]:
    for i, group in enumerate(groups):
        for j, endpoint in enumerate(group.endpoints):
            yield (i, j), endpoint


def _dense_priorities(groups: list[LocalityEndpoints], repairs: list[str]) -> list[LocalityEndpoints]:
    # gRPC refuses a gap; a locality without endpoints would leave one in effect.
    groups = [group for group in groups if group.endpoints]
    wanted = {priority: index for index, priority in enumerate(sorted({group.priority for group in groups}))}
    if any(priority != index for priority, index in wanted.items()):
        repairs.append(f"renumbered priorities {', '.join(map(str, wanted))} without gaps")
    return [replace(group, priority=wanted[group.priority]) for group in groups]


def _weighted(groups: list[LocalityEndpoints], repairs: list[str]) -> list[LocalityEndpoints]:
    """Weights of at least 1 whose sum per priority fits 32 bits, as gRPC and Envoy demand."""
    totals: dict[int, int] = {}
    for group in groups:
        totals[group.priority] = totals.get(group.priority, 0) + max(1, group.weight)
    weighted = []
    for group in groups:
        # Half of the range leaves room for rounding up to 1.
        total = totals[group.priority]
        scale = _UINT32_MAX / 2 / total if total > _UINT32_MAX else 1
        weight = max(1, int(group.weight * scale))
        if weight != group.weight:
            repairs.append(f"locality {group.locality}: weight {group.weight} became {weight}")
        weighted.append(replace(group, weight=weight))
    return weighted
