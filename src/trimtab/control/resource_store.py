"""The resources there are, encoded once per change, and who wants to hear of which."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

import structlog

from ..errors import TargetError
from ..model import Assignment, ServiceRef
from ..xds.dialect import Dialect
from ..xds.discovery import ClientNode
from ..xds.listener import encode_listener
from ..xds.resource import Audience, Resource
from ..xds.resource_type import CENSUS, CLUSTERS, ENDPOINTS, LISTENERS, READINESS, SEATS
from ..xds.seat import encode_seat
from ..xds.service_census import encode_census
from ..xds.version import content_version
from .catalog import Catalog, ServicePort
from .census import Census
from .client_node import client_node
from .client_zone import client_zone
from .fallback import Fallbacks
from .gate import Refused, gate
from .progress import Progress
from .published import Published, Shares
from .references import ServiceKey
from .seats import Seats
from .subsets import Subset
from .wishes import Place, place_of

log = structlog.get_logger(__name__)

_REPAIRS_LOGGED = 5
"""In one line; `trimtab endpoints` shows all of them."""

_NAME_LENGTH_MAX = 253
"""Of any object in Kubernetes. What a client calls its zone is kept with every service it follows, and must not fill memory."""
_TOLD_MAX = 4_096
"""How many are kept ready: who follows more than that in one turn is told no slower than it takes to look."""
_TOLD_SIZE_MAX = 16 << 20
"""How many bytes these may have together: what differs by Node may be large, and is soon made again."""

Watcher = Callable[[Hashable], object]
"""Told the subject that changed; called while the change is applied, and must return at once."""
_NOBODY: Mapping[Watcher, Hashable] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Counted:
    """The subject of what replicas tell each other about the clients of a service."""

    service: str


@dataclass(frozen=True, slots=True)
class _Dated:
    """The subject of what replicas tell each other of since when the endpoints of a service are ready."""

    service: str

    @property
    def key(self) -> ServiceKey:
        name, _, namespace = self.service.partition(".")
        return namespace, name


@dataclass(frozen=True, slots=True)
class _Seated:
    """The subject of the seat that one client has among the clients of a service."""

    service: str
    client: str


class ResourceStore:
    """Serves what the catalog knows. A body is encoded when it is first asked for after a change, and then shared."""

    def __init__(self, catalog: Catalog, census: Census, progress: Progress | None = None) -> None:
        """`progress` says how much of what happened is served; None: nobody can."""
        self.progress = progress or Progress()
        self._catalog = catalog
        self._census = census
        self._seats = Seats()
        self.fallbacks = Fallbacks(catalog)
        self._published: dict[ServiceRef, Published] = {}
        self._watchers: defaultdict[Hashable, dict[Watcher, Hashable]] = defaultdict(dict)
        """By subject, each with the very object by which it knows the subject: it finds that without comparing."""
        self._watchers_of_all: dict[str, set[Watcher]] = {}
        self._told: dict[tuple[str, str, str, str], Resource] = {}
        """Endpoints by name, namespace, zone and node of who asked since anything changed: a change goes to many alike."""
        self._told_size = 0
        self.meanings = 0
        """Grows whenever a name may mean another service port than before, or none any more."""
        self.refused: dict[ServiceRef, str] = {}
        """Services whose newest assignment may not be published, and why; their last good one stays."""
        self.repaired: dict[ServiceRef, tuple[str, ...]] = {}
        """Services whose published assignment had to be repaired, and how."""

    def apply(self, changes: Mapping[ServiceRef, ServicePort | None]) -> None:
        """Take over what changed in the catalog and tell those who follow it."""
        changes = self.fallbacks.extended(changes)
        admitted: dict[int, Published | None] = {}
        for ref, port in changes.items():
            if port is None:
                self._published.pop(ref, None)
                self.refused.pop(ref, None)
                self.repaired.pop(ref, None)
                self.meanings += 1
                continue
            if id(port) not in admitted:
                admitted[id(port)] = self._admit(port)
            if (published := admitted[id(port)]) is not None:
                before, self._published[ref] = self._published.get(ref), published
                self.meanings += before is None or before.port.ref != port.ref
        self.announce(changes)

    def _admit(self, port: ServicePort) -> Published | None:
        verdict = gate(port.assignment)
        if isinstance(verdict, Refused):
            if self.refused.get(port.ref) != verdict.reason:
                log.error("assignment refused, the last good one stays", service=str(port.ref), why=verdict.reason)
            self.refused[port.ref] = verdict.reason
            return None
        self.refused.pop(port.ref, None)
        self._note_repairs(port.ref, verdict.repairs)
        return Published(port, verdict.assignment)

    def _note_repairs(self, ref: ServiceRef, repairs: tuple[str, ...]) -> None:
        known = self.repaired.pop(ref, ())
        if repairs:
            self.repaired[ref] = repairs
        # A fault that stays comes by with every change of the service, and is no news then.
        if new := [repair for repair in dict.fromkeys(repairs) if repair not in known]:
            more = {"more": len(new) - _REPAIRS_LOGGED} if len(new) > _REPAIRS_LOGGED else {}
            log.warning("assignment repaired", service=str(ref), repairs=new[:_REPAIRS_LOGGED], **more)

    def recounted(self, service: str, *, shares_changed: bool) -> None:
        """The clients of a service were counted anew, and maybe the shares published from that changed."""
        counted = _Counted(service)
        # Who follows thousands of services is counted in each, and mostly there is no other replica to hear of it.
        if CENSUS in self._watchers_of_all or counted in self._watchers:
            self._tell((counted,))
        if self._seats.count(service, self._census.clients(service)):
            self._tell([_Seated(service, client) for client in self._seats.clients(service)])
        if shares_changed:
            self.census_changed(service)

    def redated(self, service: ServiceKey) -> None:
        """What other replicas are told of since when the endpoints of a service are ready changed, and nothing else did."""
        self.announce((_Dated(_dotted(service)),))

    def census_changed(self, service: str) -> None:
        """The shares of client zones of a service changed, and with them every zone's view of it."""
        ref = ServiceRef.parse(service)
        if (published := self._published.get(ref.whole)) is not None:
            published.forget(ref.subset)
            self.announce(published.port.names)

    def seats_known(self) -> None:
        """Clients had time to connect: tell them their seats from now on."""
        self.announce([_Seated(service, client) for service, client in self._seats.warm(self._replicas)])

    def clients_told(self, service: str) -> int:
        """How many clients those with a seat are told that there are; 0: nobody has one."""
        return self._seats.told(service)

    def take_seat(self, service: str, audience: Audience, held: int | None) -> None:
        """A client asks for its seat among the clients of a service; `held` is the one it had before."""
        self._seats.take((service, audience.zone), audience.client, held, *self._replicas(service))

    def leave_seat(self, service: str, audience: Audience) -> None:
        """The client asks no more."""
        moved = list(self._seats.leave((service, audience.zone), audience.client, *self._replicas(service)))
        self.announce([_Seated(service, client) for client in moved])

    def _replicas(self, service: str) -> tuple[int, int]:
        replicas = self._census.replicas(service)
        return len(replicas), replicas.index(self._census.replica)

    def announce(self, subjects: Iterable[Hashable]) -> None:
        """Tell whoever follows any of `subjects`."""
        self._told.clear()
        self._told_size = 0
        self._tell(subjects)

    def _tell(self, subjects: Iterable[Hashable]) -> None:
        """The same of what makes no difference to endpoints."""
        for subject in subjects:
            for watcher, known_as in (*self._watchers.get(subject, _NOBODY).items(), *self._followers_of_all(subject)):
                watcher(known_as)

    def _followers_of_all(self, subject: Hashable) -> Iterable[tuple[Watcher, Hashable]]:
        # Whoever follows every cluster is not disturbed by other forms of a service's name, nor when clients are counted.
        served = (watchers for type_url, watchers in self._watchers_of_all.items() if self.name_of(type_url, subject))
        # Once is enough for those who follow it by name too.
        others = set[Watcher]().union(*served).difference(self._watchers.get(subject, ()))
        return [(watcher, subject) for watcher in others]

    def watch(self, subject: Hashable, watcher: Watcher) -> None:
        """Call `watcher` whenever `subject` changes."""
        self._watchers[subject][watcher] = subject

    def unwatch(self, subject: Hashable, watcher: Watcher) -> None:
        """Call it no more."""
        self._watchers[subject].pop(watcher, None)
        if not self._watchers[subject]:
            del self._watchers[subject]

    def watch_all(self, type_url: str, watcher: Watcher) -> None:
        """Call `watcher` whenever anything changes that a wildcard subscription to this type gets."""
        self._watchers_of_all.setdefault(type_url, set()).add(watcher)

    def unwatch_all(self, type_url: str, watcher: Watcher) -> None:
        """Call it no more."""
        self._watchers_of_all[type_url].discard(watcher)
        if not self._watchers_of_all[type_url]:
            del self._watchers_of_all[type_url]

    @property
    def watchers(self) -> int:
        """How many subjects are watched, and how many watch everything of a type."""
        return len(self._watchers) + sum(map(len, self._watchers_of_all.values()))

    # xds.resource.Resources

    def audience(self, node: ClientNode) -> Audience:
        return Audience(
            namespace=node.metadata.get("NAMESPACE", "")[:_NAME_LENGTH_MAX] or "default",
            dialect=Dialect.of(node.user_agent),
            zone=client_zone(node, self._catalog)[:_NAME_LENGTH_MAX],
            node=client_node(node, self._catalog)[:_NAME_LENGTH_MAX],
            client=node.id,
        )

    def subject(self, type_url: str, name: str, audience: Audience) -> Hashable | None:
        if type_url == CENSUS:
            return _Counted(name)
        if type_url == READINESS:
            return _Dated(name)
        if type_url == SEATS:
            ref = self.canonical(name, audience)
            return None if ref is None else _Seated(str(ref), audience.client)
        return _meaning(name, audience.namespace)[0]

    def name_of(self, type_url: str, subject: Hashable) -> str | None:
        if type_url == CENSUS:
            return subject.service if isinstance(subject, _Counted) else None
        if type_url == SEATS:
            return None
        if type_url == READINESS and isinstance(subject, _Dated):
            return subject.service
        # A wildcard gets every service port once, by its number; a number survives where the service itself is gone.
        if not isinstance(subject, ServiceRef) or subject.port is None or not subject.port.isdigit():
            return None
        return str(replace(subject, port=None) if type_url == READINESS else subject)

    def all_names(self, type_url: str) -> Iterable[str]:
        if type_url == CENSUS:
            return self._census.services()
        if type_url == READINESS:
            return map(_dotted, self._catalog.readiness.services())
        if type_url == SEATS:
            return ()
        return (str(ref) for ref, published in self._published.items() if ref == published.port.ref)

    def get(self, type_url: str, name: str, audience: Audience) -> Resource | None:
        if type_url != ENDPOINTS:
            return self._find(type_url, name, audience)
        asked = (name, audience.namespace, audience.zone, audience.node)
        told = self._told.get(asked)
        if told is None and (told := self._find(type_url, name, audience)) is not None:
            self._told_size += len(told.body)
            if len(self._told) == _TOLD_MAX or self._told_size > _TOLD_SIZE_MAX:
                self._told.clear()
                self._told_size = len(told.body)
            self._told[asked] = told
        return told

    def _find(self, type_url: str, name: str, audience: Audience) -> Resource | None:
        if type_url == CENSUS:
            told = self._census.told(name)
            return None if told is None else encode_census(told)
        if type_url == READINESS:
            return self._catalog.readiness.resource(_Dated(name).key, self._census.replica)
        if type_url == SEATS:
            ref = self.canonical(name, audience)
            seat = None if ref is None else self._seats.of((str(ref), audience.zone), audience.client)
            return None if seat is None else encode_seat(seat)
        service, subset = _meaning(name, audience.namespace)
        published = None if service is None else self._published.get(service)
        if published is None:
            return None
        if type_url == ENDPOINTS:
            if published.port.external is not None:
                return None
            return published.resource(subset, place_of(audience.zone, audience.node), self._shares)
        if type_url == CLUSTERS:
            return published.cluster(subset, audience.dialect)
        # An Envoy has listeners of its own, and takes no API listener but one in its bootstrap.
        wanted = type_url == LISTENERS and audience.dialect is not Dialect.ENVOY
        return _listener(name) if wanted else None

    def why_missing(self, name: str, audience: Audience) -> str:
        try:
            ref = ServiceRef.parse(name).within(audience.namespace)
        except TargetError as error:
            return str(error)
        return self._catalog.why_missing(ref)

    def assignment(self, ref: ServiceRef, zone: str = "") -> Assignment | None:
        """What clients of `zone` are told about a service; None: it is not served."""
        published = self._published.get(ref.whole)
        if published is None:
            return None
        # Nobody in particular asks: what stays on its Node is shown as those see it who are there.
        place = None if published.port.wish.node_only else Place(zone)
        return published.assignment(ref.subset, place, self._shares(published.port.ref, ref.subset))

    def canonical(self, name: str, audience: Audience) -> ServiceRef | None:
        """The service port, or its subset, that a name means, whatever form it has; None: it is not served."""
        service, subset = _meaning(name, audience.namespace)
        published = None if service is None else self._published.get(service)
        return None if published is None else _with_subset(published.port.ref, subset)

    def _shares(self, port: ServiceRef, subset: Subset | None) -> Shares | None:
        return self._census.shares(str(_with_subset(port, subset)))


def _with_subset(port: ServiceRef, subset: Subset | None) -> ServiceRef:
    return port if subset is None else replace(port, subset=subset)


def _meaning(name: str, namespace: str) -> tuple[ServiceRef | None, Subset | None]:
    """The service that a client of `namespace` means, and which part of it. What changes a service may change any part."""
    try:
        return _meant(name, namespace)
    except TargetError:
        # Not kept: what means nothing may be a megabyte long.
        return None, None


@lru_cache(maxsize=16_384)
def _meant(name: str, namespace: str) -> tuple[ServiceRef, Subset | None]:
    ref = ServiceRef.parse(name).within(namespace)
    return ref.whole, ref.subset


def _dotted(service: ServiceKey) -> str:
    namespace, name = service
    return f"{name}.{namespace}"


@lru_cache(maxsize=16_384)
def _listener(name: str) -> Resource:
    return Resource(content_version(name), encode_listener(name))
