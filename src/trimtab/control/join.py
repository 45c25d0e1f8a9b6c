"""One Service and its EndpointSlices joined into assignments, one per port (Kubernetes EndpointSlice API, discovery/v1)."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..model import Assignment, Health, LocalityEndpoints, Policy, ServiceRef
from ..xds.cluster import DnsTarget
from .kubernetes import (
    EXTERNAL_NAME,
    FALLBACK_ANNOTATION,
    EndpointSlice,
    Service,
    ServicePortSpec,
    SliceEndpoint,
    SlicePort,
)
from .placements import Place, Placed
from .wishes import NO_WISH, Wish, near

_HTTP2_PROTOCOLS = frozenset({"kubernetes.io/h2c", "h2c", "grpc", "http2"})
_FAMILY = {"IPv4": 4, "IPv6": 6}


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of one service, ready to be published."""

    ref: ServiceRef
    """With namespace and port number: the name a wildcard subscription gets it by."""
    names: tuple[ServiceRef, ...]
    """Every form it is known by: by port number, by port name, and without port if it is the only one."""
    assignment: Assignment
    policy: Policy
    http2: bool
    """Whether the endpoints speak HTTP/2, as far as the port says."""
    wish: Wish = NO_WISH
    """Where the Service itself wants calls to go."""
    external: DnsTarget | None = None
    """What clients are to find by DNS, because the Service is an ExternalName; None: it is none."""
    fallback_for: tuple[str, ...] = ()
    """Who in other namespaces may fall back to it, as its owner says."""
    port_name: str = ""
    """By which slices have it: unlike `names`, also one of digits alone."""


def join(service: Service, slices: Iterable[EndpointSlice], policy: Policy, place: Place) -> Sequence[ServicePort]:
    """The ports of `service` with their endpoints. `slices` come in the order in which they were applied."""
    # An ExternalName has no endpoints, whatever slices say: kube-dns answers with its name, and kube-proxy passes it over.
    external = service.spec.type == EXTERNAL_NAME
    slices = [] if external else [part for part in slices if part.address_type in _FAMILY]
    ports = _ports(service, slices)
    return [_join_port(service, port, len(ports) == 1, slices, policy, place) for port in ports]


def _ports(service: Service, slices: Iterable[EndpointSlice]) -> Sequence[ServicePortSpec]:
    declared = [port for port in service.spec.ports or () if port.protocol == "TCP"]
    if declared or service.spec.cluster_ip != "None":
        return declared
    # A headless Service may leave its ports out; its slices know them.
    found = {
        (port.port, port.name or ""): ServicePortSpec(port.port, port.name, app_protocol=port.app_protocol)
        for part in slices
        for port in part.ports or ()
        if port.port is not None and (port.protocol or "TCP") == "TCP"
    }
    return [found[key] for key in sorted(found)]


def _join_port(
    service: Service,
    port: ServicePortSpec,
    alone: bool,
    slices: Iterable[EndpointSlice],
    policy: Policy,
    place: Place,
) -> ServicePort:
    name, namespace = service.metadata.name, service.metadata.namespace
    ref = ServiceRef(name, namespace, str(port.port))
    names = [ref]
    if port.name and not port.name.isdigit():
        # Kubernetes allows a name of digits alone; in a target they are a number, maybe that of another port.
        names.append(ServiceRef(name, namespace, port.name))
    if alone:
        names.append(ServiceRef(name, namespace))
    found = deduplicated(endpoints_in(slices, port.name or "", place))
    merged = _merge_families(found, _main_family(service))
    return ServicePort(
        ref=ref,
        names=tuple(names),
        port_name=port.name or "",
        assignment=Assignment(str(ref), _by_locality(merged)),
        policy=policy,
        http2=_speaks_http2(port),
        wish=_wish(service, slices, policy, port.name or "", place),
        external=_external(service, port),
        fallback_for=tuple((service.metadata.annotations or {}).get(FALLBACK_ANNOTATION, "").replace(",", " ").split()),
    )


def _external(service: Service, port: ServicePortSpec) -> DnsTarget | None:
    if service.spec.type != EXTERNAL_NAME or not service.spec.external_name:
        return None
    # DNS answers with another name and leaves the port alone: target ports have no meaning here.
    return DnsTarget(service.spec.external_name, port.port)


def _wish(service: Service, slices: Iterable[EndpointSlice], policy: Policy, port_name: str, place: Place) -> Wish:
    if not (wish := Wish.of(service.spec, policy)):
        return wish
    pairs = (pair for part in slices for pair in paired(part, port_name, place))
    return wish.knowing({found.identity: near(listed, locality.zone) for listed, (found, locality) in pairs})


def _speaks_http2(port: ServicePortSpec) -> bool:
    # An undeclared protocol is guessed from the port's name, as Istio and Envoy Gateway do.
    return (port.app_protocol or (port.name or "").partition("-")[0]) in _HTTP2_PROTOCOLS


def endpoints_in(slices: Iterable[EndpointSlice], port_name: str, place: Place) -> Iterator[Placed]:
    """The endpoints of the slices that have a port of that name, in the order of the slices."""
    for part in slices:
        number = port_number(part.ports or (), port_name)
        if number is not None:
            for listed in part.endpoints or ():
                yield place(listed, number)


def paired(part: EndpointSlice, port_name: str, place: Place) -> Iterator[tuple[SliceEndpoint, Placed]]:
    """The endpoints of a slice as it lists them, and what they are here."""
    # Without the port there is none of them, with it there is one for each.
    return zip(part.endpoints or (), endpoints_in([part], port_name, place), strict=False)


def port_number(ports: Iterable[SlicePort], name: str) -> int | None:
    """Ports are matched by name: a named target port may have another number in each slice."""
    return next((p.port for p in ports if (p.name or "") == name and (p.protocol or "TCP") == "TCP"), None)


def deduplicated(endpoints: Iterable[Placed]) -> Sequence[Placed]:
    """What may be published. An endpoint moves between slices and is in both for a while: the slice applied last is right.

    First by Pod and address family, where the last word may be that the Pod is not ready; then by address, for a Pod's
    address may already belong to the next Pod.
    """
    by_pod: dict[Hashable, Placed] = {}
    for endpoint, locality in endpoints:
        owner: Hashable = (endpoint.uid, ":" in endpoint.address) if endpoint.uid else endpoint.address
        by_pod.pop((owner, endpoint.port), None)
        by_pod[owner, endpoint.port] = endpoint, locality
    present = [placed for placed in by_pod.values() if placed[0].health is not Health.UNHEALTHY]
    return list({(endpoint.address, endpoint.port): (endpoint, locality) for endpoint, locality in present}.values())


def _main_family(service: Service) -> int:
    families = service.spec.ip_families
    if families:
        return _FAMILY.get(families[0], 4)
    first = (service.spec.cluster_ips or [service.spec.cluster_ip or ""])[0]
    return family_of(first)


def family_of(address: str) -> int:
    """The IP version of an address."""
    # Whether it is an address at all is for the gate to say.
    return 6 if ":" in address else 4


def _merge_families(endpoints: Sequence[Placed], main: int) -> Sequence[Placed]:
    """One endpoint per Pod: the Service's first IP family is its address, the other an additional one (gRFC A61)."""
    if len({family_of(endpoint.address) for endpoint, _ in endpoints}) < 2:
        # Nearly all services: one address per Pod, as what is listed twice is there once by now.
        return endpoints
    pods = defaultdict(list)
    for endpoint, locality in endpoints:
        pods[endpoint.uid or endpoint.address, endpoint.port].append((endpoint, locality))
    merged = []
    for same in pods.values():
        if len(same) == 1:
            merged.append(same[0])
            continue
        same.sort(key=lambda item: family_of(item[0].address) != main)
        (first, locality), others = same[0], same[1:]
        more = tuple(other.address for other, _ in others)
        merged.append((replace(first, additional_addresses=more), locality))
    return merged


def _by_locality(endpoints: Iterable[Placed]) -> tuple[LocalityEndpoints, ...]:
    """Localities and endpoints in canonical order, so that equal state gives equal bytes whatever came first."""
    groups = defaultdict(list)
    for endpoint, locality in endpoints:
        groups[locality].append(endpoint)
    return tuple(
        LocalityEndpoints(
            locality,
            tuple(sorted(groups[locality], key=lambda e: (e.address, e.port))),
            weight=max(1, sum(e.health is Health.HEALTHY for e in groups[locality])),
        )
        for locality in sorted(groups)
    )
