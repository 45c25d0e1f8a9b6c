"""Services, EndpointSlices, Nodes and Pods joined into what can be published. A change touches only the services it is about."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from ..model import Locality, Policy, ServiceRef
from .join import ServicePort, join
from .kubernetes import (
    EXTERNAL_NAME,
    POLICY_ANNOTATION,
    REGION_LABEL,
    ZONE_LABEL,
    EndpointSlice,
    Node,
    Object,
    ObjectKey,
    Pod,
    Service,
    SliceEndpoint,
)
from .placements import Placed, Placements, described, located
from .pods import Pods
from .policies import Policies
from .policy_defaults import PolicyDefaults
from .readiness import Readiness
from .references import ServiceKey
from .service_names import ServiceNames
from .slice_index import SliceIndex

__all__ = ["Catalog", "ServiceKey", "ServicePort"]

_PLACE_LABELS = (REGION_LABEL, ZONE_LABEL)
Changes = Mapping[ServiceRef, ServicePort | None]
"""What is published under each name now; None: the name means nothing any more."""


class Catalog:
    """Every service known, and the ports it can be reached by."""

    def __init__(self, readiness: Readiness | None = None, defaults: PolicyDefaults | None = None) -> None:
        """`readiness` is what an earlier life remembers, `defaults` what services are given; by default nothing."""
        self._services: dict[ServiceKey, Service] = {}
        self._names = ServiceNames()
        self._slices = SliceIndex()
        self._nodes: dict[str, Node] = {}
        self._pods = Pods()
        self._policies = Policies(defaults or PolicyDefaults())
        self._ports: dict[ServiceKey, dict[ServiceRef, ServicePort]] = {}
        self.readiness = readiness or Readiness()
        """Since when endpoints are ready."""
        self._placements: dict[ServiceKey, Placements] = {}
        self.undivided: dict[ServiceKey, str] = {}
        """Services whose policy divides them by a Pod label that none of their endpoints has, and what to do."""

    @property
    def problems(self) -> Mapping[ServiceKey, str]:
        """Services whose policy annotation is wrong; their last good policy stays."""
        return self._policies.problems

    @property
    def notes(self) -> Mapping[ServiceKey, str]:
        """Services whose policy is in use, and maybe not what was meant."""
        return self._policies.notes

    def apply(self, upserts: Iterable[Object], deletes: Iterable[ObjectKey]) -> Changes:
        """Take in objects that are new or changed, and keys of those that are gone; what follows from it."""
        touched: set[ServiceKey] = set()
        for key in deletes:
            touched |= self._delete(key)
        for item in upserts:
            touched |= self._upsert(item)
        changes: dict[ServiceRef, ServicePort | None] = {}
        for service in touched:
            changes |= self._rejoin(service)
        return changes

    def adopt(self, defaults: PolicyDefaults) -> Iterator[Changes]:
        """Give services other policies by default; what follows from it, service by service.

        Objects may be taken in meanwhile.
        """
        self._policies.defaults = defaults
        for key in tuple(self._ports):
            service, ports = self._services.get(key), self._ports.get(key)
            if service is not None and ports is not None:
                policy = self._policy(key, service)
                # All names of a port share it, before and after.
                moved = {id(port): replace(port, policy=policy) for port in ports.values() if port.policy != policy}
                changes = {ref: moved[id(port)] for ref, port in ports.items() if id(port) in moved}
                self._ports[key] = {**ports, **changes}
                yield changes

    def redate(self, service: ServiceKey) -> Changes:
        """The endpoints of a service are ready since other times than they were; what follows from it."""
        return self._rejoin(service)

    def get(self, ref: ServiceRef) -> ServicePort | None:
        """What is published under a name."""
        return self._ports.get((ref.namespace or "", ref.name), {}).get(ref)

    def service_ports(self) -> Collection[ServicePort]:
        """Every service port, each once."""
        return [port for ports in self._ports.values() for ref, port in ports.items() if ref == port.ref]

    def slices(self, service: ServiceKey) -> Collection[EndpointSlice]:
        """The slices of a service, in the order in which they were applied."""
        return self._slices.of(service)

    def zone_of_node(self, name: str) -> str:
        """The zone of a Node; empty if it is not known."""
        node = self._nodes.get(name)
        return "" if node is None else node.label(ZONE_LABEL)

    def zone_of_address(self, address: str) -> str:
        """The zone of the endpoint that has this address; empty if it is not known."""
        endpoint = self._slices.addresses.get(address)
        return "" if endpoint is None else self.locate(endpoint).zone

    def node_of_address(self, address: str) -> str:
        """The Node of the endpoint that has this address; empty if it is not known."""
        endpoint = self._slices.addresses.get(address)
        return "" if endpoint is None else endpoint.node_name or ""

    def why_missing(self, ref: ServiceRef) -> str:
        """A sentence that helps whoever asked for a name that means nothing."""
        key = (ref.namespace or "", ref.name)
        service = self._services.get(key)
        if service is None:
            if self._slices.of(key):
                return f"there are EndpointSlices for {key[0]}/{key[1]}, but no Service of that name"
            return self._names.why_not(key)
        label = f"service {key[0]}/{key[1]}"
        if service.spec.type == EXTERNAL_NAME:
            return _why_no_endpoints(label, service, self.get(ref))
        ports = {port.ref: port for port in self._ports.get(key, {}).values()}
        listed = ", ".join(sorted(map(_describe, ports.values())))
        if not ports:
            return f"{label} has no TCP port"
        if ref.port is None:
            return f"{label} has several ports, say which: {listed}"
        return f"{label} has no port {ref.port}; it has {listed}"

    def _delete(self, key: ObjectKey) -> set[ServiceKey]:
        kind, namespace, name = key
        if kind == "Node":
            return set() if self._nodes.pop(name, None) is None else self._slices.on_node.to(name)
        if kind == "Pod":
            return self._slices.in_pod.to((namespace, name)) if self._pods.remove(namespace, name) else set()
        if kind == "Service":
            self._services.pop((namespace, name), None)
            self._names.remove((namespace, name))
            return {(namespace, name)}
        return self._slices.put(key, None)

    def _upsert(self, item: Object) -> set[ServiceKey]:
        if isinstance(item, Node):
            before = self._nodes.get(item.metadata.name)
            # A Node's status changes all the time, its place never or once.
            if before is not None and all(before.label(name) == item.label(name) for name in _PLACE_LABELS):
                return set()
            self._nodes[item.metadata.name] = item
            return self._slices.on_node.to(item.metadata.name)
        if isinstance(item, Pod):
            # Its status changes all the time too; only its labels count, and whether it is ready.
            place = (item.metadata.namespace, item.metadata.name)
            return self._slices.in_pod.to(place) if self._pods.put(item) else set()
        if isinstance(item, Service):
            key = (item.metadata.namespace, item.metadata.name)
            self._services[key] = item
            self._names.add(key)
            return {key}
        return self._slices.put(item.key, item)

    def _rejoin(self, key: ServiceKey) -> Changes:
        before = self._ports.get(key, {})
        after: dict[ServiceRef, ServicePort] = {}
        service = self._services.get(key)
        if service is None:
            self._policies.forget(key)
            self.readiness.forget(key)
            self._placements.pop(key, None)
        else:
            joined = join(service, self.slices(key), self._policy(key, service), self._placing(key).place)
            joined = self.readiness.note(key, joined, self.slices(key))
            # The first of two ports that share a number (one TCP each) or a name keeps it.
            for port in reversed(joined):
                after |= dict.fromkeys(port.names, port)
        self._note_undivided(key, after.values())
        self._ports[key] = after
        if not after:
            del self._ports[key]
        gone = dict.fromkeys(before.keys() - after.keys())
        return gone | {ref: port for ref, port in after.items() if _differs(port, before.get(ref))}

    def _policy(self, key: ServiceKey, service: Service) -> Policy:
        return self._policies.of(key, (service.metadata.annotations or {}).get(POLICY_ANNOTATION))

    def _note_undivided(self, key: ServiceKey, ports: Collection[ServicePort]) -> None:
        self.undivided.pop(key, None)
        for port in ports:
            if (shards := port.policy.shards) is None:
                return
            endpoints = [endpoint for _, endpoint in port.assignment.endpoints()]
            if endpoints and all(one.label(shards.label) is None for one in endpoints):
                self.undivided[key] = (
                    f"service {key[0]}/{key[1]}: its policy divides it by the Pod label {shards.label}, which none of its endpoints "
                    "has: follow Pods (--watch-pods), and see to it that they have it"
                )

    def _placing(self, key: ServiceKey) -> Placements:
        found = self._placements.get(key)
        if found is None:
            found = self._placements[key] = Placements(key[0], self._nodes.get, self._pods)
        found.begin()
        return found

    def locate(self, endpoint: SliceEndpoint) -> Locality:
        """Where an endpoint runs, as far as its slice and its Node say."""
        return located(endpoint, self._nodes.get(endpoint.node_name or ""))

    def place(self, endpoint: SliceEndpoint, port: int) -> Placed:
        """What an endpoint of a slice is at a port, whatever its Pod says."""
        return described(endpoint, port), self.locate(endpoint)


def _differs(port: ServicePort, before: ServicePort | None) -> bool:
    if before is None or port != before:
        return True
    # Dates are no part of a version, and no client is told of them alone; whoever asks next gets what other replicas tell too.
    pairs = zip(port.assignment.endpoints(), before.assignment.endpoints(), strict=True)
    return any(mine.ready_since != theirs.ready_since for (_, mine), (_, theirs) in pairs)


def _why_no_endpoints(label: str, service: Service, port: ServicePort | None) -> str:
    external = f"{label} is an ExternalName for {service.spec.external_name}"
    if port is not None:
        return f"{external}: it has no endpoints to balance; connect to {port.external} instead"
    return f"{external} without such a port: declare it in spec.ports, so that Envoy and stock gRPC can be told of it"


def _describe(port: ServicePort) -> str:
    by_name = [ref.port for ref in port.names if ref.port and not ref.port.isdigit()]
    return f"{port.ref.port} ({by_name[0]})" if by_name else str(port.ref.port)
