"""What clients of one zone are told about one service, and why. What `trimtab endpoints` and /debug/endpoints show."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from msgspec import Struct

from ..balance import strategies
from ..balance.aperture import Aperture
from ..balance.priorities import Standing, spread
from ..model import Assignment, Endpoint, Health, LocalityEndpoints, Policy, Seat
from ..xds.cluster import DnsTarget
from ..xds.version import assignment_version
from .catalog import Catalog, ServicePort
from .census import Census
from .explain import LeftOut, Origin, Source, kept, left_out, origins, sources
from .gate import Refused, gate
from .passthrough import dns_target
from .resource_store import ResourceStore
from .subsets import Subset


class EndpointReport(Struct, frozen=True):
    """One endpoint as clients are told about it."""

    address: str
    health: str
    weight: int
    pod: str
    node: str
    slice: str
    """Where it comes from; empty: from no slice any more, it is part of the last good state."""
    additional_addresses: list[str]
    origin: str = ""
    """The fallback service it belongs to; empty: the service itself."""
    shard: str | None = None
    """The value of the label by which the policy divides the service."""


class LocalityReport(Struct, frozen=True):
    """The endpoints of one locality at one priority."""

    priority: int
    locality: str
    weight: int
    share: float
    """Of the requests that go to this priority."""
    endpoints: list[EndpointReport]
    zone: str = ""
    """The zone alone."""
    priority_share: float = 1.0
    """Of all requests: what goes to this priority, for every kind of client that can connect to what is listed."""
    zone_share: float = 1.0
    """Of the requests that go to this priority: what belongs to the zone, all its localities together."""


class EndpointsReport(Struct, frozen=True):
    """All there is to say about one service port."""

    service: str
    names: list[str]
    from_zone: str
    version: str
    policy: dict[str, Any]
    """The fields that differ from the defaults."""
    weights_follow: str
    """What the weights of the localities are made from."""
    clients: dict[str, int]
    """Subscribers by zone."""
    localities: list[LocalityReport]
    left_out: list[LeftOut]
    repairs: list[str]
    """What had to be done to the newest endpoints before they could be published."""
    refused: str | None
    """Why the newest endpoints are not published at all; the last good ones stay."""
    slices: list[Source]
    where: str = "the endpoints below"
    """Where clients are told to go."""
    by_dns: bool = False
    """Whether that is for DNS to say, as in passthrough and for an ExternalName."""
    part: str = ""
    """How many of the endpoints each client of ours uses, and why; empty if it uses none of them."""
    shards: dict[str, int] = {}
    """Endpoints by the value of the label by which the policy divides the service."""
    fallback_problem: str | None = None
    """Which of the policy's fallbacks cannot be used, and why."""
    source_problems: list[str] = []
    """What is wrong with manifests or API server, if there is no slice: that may be why."""
    unreachable: dict[str, str] = {}
    """By kind of client: when endpoints that it cannot reach move calls to the next priority; empty: there is no next one."""


def endpoints_report(
    port: ServicePort, zone: str, catalog: Catalog, store: ResourceStore, census: Census, subset: Subset | None = None
) -> EndpointsReport:
    """What clients of `zone` (empty: unknown) are told about a service port, or about the `subset` with a label."""
    ref = replace(port.ref, subset=subset)
    name = str(ref)
    key = (port.ref.namespace or "", port.ref.name)
    slices = catalog.slices(key)
    found = origins(slices, port.port_name, catalog.place)
    served = store.assignment(ref, zone) or Assignment(name)
    refused = store.refused.get(port.ref)
    label = None if port.policy.shards is None else port.policy.shards.label
    target = dns_target(port, subset)
    verdict = gate(port.assignment)
    return EndpointsReport(
        service=name,
        names=sorted(str(replace(form, subset=subset)) for form in port.names),
        from_zone=zone,
        version=assignment_version(served),
        policy=port.policy.to_mapping(),
        weights_follow=_weights_follow(zone, served, census.shares(name)),
        clients=dict(census.counts(name)),
        localities=_localities(served, {origin.place: origin for origin in kept(found)}, label),
        left_out=list(left_out(found, served, refused, {} if subset is None else _others(port.assignment, subset))),
        repairs=[] if isinstance(verdict, Refused) else list(verdict.repairs),
        refused=refused,
        slices=sources(slices, port.port_name),
        where=_where(port, target),
        by_dns=target is not None,
        part=_part(port.policy, served, store.clients_told(name)) if target is None else "",
        shards=_shards(port.assignment, label),
        fallback_problem=store.fallbacks.problems.get(port.ref),
        unreachable=_unreachable(served, port.policy) if target is None else {},
    )


def _where(port: ServicePort, target: DnsTarget | None) -> str:
    if target is None:
        return "the endpoints below"
    # The library connects only to addresses that somebody vouches for.
    only_stock = port.external is not None and port.policy.mode != "passthrough"
    but = ", but for Trimtab's library, which finds no endpoints to balance" if only_stock else ""
    return f"what DNS says of {target}{but}"


def _unreachable(served: Assignment, policy: Policy) -> dict[str, str]:
    """Which endpoints a client reaches only that client knows, and kinds draw different conclusions (docs/adr/0030)."""
    if not any(group.priority for group in served.localities):
        return {}
    ejects = policy.outlier_detection
    return {
        "library": "gradually, when less than 72% of a priority is reached",
        "gRPC": "all at once, when none of a priority is reached",
        "Envoy": "never: the policy has no outlier_detection"
        if ejects is None
        else f"as the library, by what it may eject: max_ejection_percent is {ejects.max_ejection_percent}",
    }


def _part(policy: Policy, served: Assignment, clients: int) -> str:
    """As clients choose it that have a seat among so many; 0: nobody has one."""
    if policy.shards is not None:
        return f"shards by {policy.shards.label}, each up to max_connections"
    aperture = Aperture("")
    aperture.seat = Seat(0, clients) if clients else None
    compares = getattr(strategies().get(str(policy.strategy)), "compares_loads", False)
    aperture.choose(served, policy, lambda endpoint: True, compares)
    return str(aperture.part)


def _shards(served: Assignment, label: str | None) -> dict[str, int]:
    if label is None:
        return {}
    values = (endpoint.label(label) for _, endpoint in served.endpoints())
    return dict(sorted(Counter(value for value in values if value is not None).items()))


def _others(assignment: Assignment, subset: Subset) -> dict[tuple[str, int], str]:
    """Why endpoints are not in a subset, by their place."""
    key, value = subset
    endpoints = [endpoint for _, endpoint in assignment.endpoints()]
    unknown = (
        "" if any(endpoint.labels for endpoint in endpoints) else "; labels are known where Pods are (--watch-pods)"
    )
    return {
        (endpoint.address, endpoint.port): f"not {key}={value}: its Pod has "
        + (f"no label {key}{unknown}" if (label := endpoint.label(key)) is None else f"{key}={label}")
        for endpoint in endpoints
        if endpoint.label(key) != value
    }


def _weights_follow(zone: str, served: Assignment, shares: Mapping[str, int] | None) -> str:
    by_capacity = "capacity: each locality weighs as much as it has healthy endpoints"
    if not zone:
        return f"{by_capacity}, because the zone of the client is not known"
    if shares is None:
        return f"{by_capacity}, because the census of clients is not known (yet)"
    if not shares.get(zone):
        return f"{by_capacity}, because no client of zone {zone} is counted"
    clients = ", ".join(f"{name} {share}" for name, share in sorted(shares.items()))
    capacity = ", ".join(f"{name or '-'} {count}" for name, count in sorted(_capacity(served).items()))
    return f"zone: clients in sixtieths {clients}; healthy endpoints {capacity}"


def _capacity(served: Assignment) -> Mapping[str, int]:
    capacity: defaultdict[str, int] = defaultdict(int)
    for group in served.localities:
        if group.priority == 0:
            capacity[group.locality.zone] += sum(endpoint.health is Health.HEALTHY for endpoint in group.endpoints)
    return capacity


def _localities(
    served: Assignment, by_place: Mapping[tuple[str, int], Origin], label: str | None
) -> list[LocalityReport]:
    totals: Counter[int] = Counter()
    zones: Counter[tuple[int, str]] = Counter()
    for group in served.localities:
        totals[group.priority] += group.weight
        zones[group.priority, group.locality.zone] += group.weight
    priorities = _priority_shares(served)
    return [
        LocalityReport(
            priority=group.priority,
            locality=str(group.locality),
            weight=group.weight,
            share=_share(group, served.localities),
            endpoints=[
                _endpoint(endpoint, by_place.get((endpoint.address, endpoint.port)), label)
                for endpoint in group.endpoints
            ],
            zone=group.locality.zone,
            priority_share=priorities[group.priority],
            zone_share=zones[group.priority, group.locality.zone] / totals[group.priority],
        )
        for group in served.localities
    ]


def _share(group: LocalityEndpoints, groups: Iterable[LocalityEndpoints]) -> float:
    """By weight, among those of its priority that have a healthy endpoint: clients pass the others by while there is one."""
    level = [other for other in groups if other.priority == group.priority]
    usable = list(filter(_has_healthy, level)) or level
    return group.weight / sum(other.weight for other in usable) if group in usable else 0.0


def _has_healthy(group: LocalityEndpoints) -> bool:
    return any(endpoint.health is Health.HEALTHY for endpoint in group.endpoints)


def _priority_shares(served: Assignment) -> Mapping[int, float]:
    """As clients spread their calls that can connect to every healthy endpoint: one priority gets all (docs/adr/0030)."""
    healthy: Counter[int] = Counter()
    total: Counter[int] = Counter()
    for priority, endpoint in served.endpoints():
        healthy[priority] += endpoint.health is Health.HEALTHY
        total[priority] += endpoint.health is not Health.DRAINING
    ranks = sorted(total)
    loads = spread([Standing(healthy[rank], total[rank]) for rank in ranks])
    return {rank: load.load / 100 for rank, load in zip(ranks, loads, strict=True)}


def _endpoint(endpoint: Endpoint, origin: Origin | None, label: str | None) -> EndpointReport:
    return EndpointReport(
        address=endpoint.authority,
        health=endpoint.health.value,
        weight=endpoint.weight,
        pod=endpoint.hostname,
        node="" if origin is None else origin.node,
        slice="" if origin is None else origin.slice,
        additional_addresses=list(endpoint.additional_addresses),
        origin=endpoint.origin,
        shard=None if label is None else endpoint.label(label),
    )
