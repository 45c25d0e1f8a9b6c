"""The control plane seen from inside, as values: one method for each question people ask."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from importlib import metadata
from typing import Any

from msgspec import Struct, structs

from ..errors import ServiceNotFound
from ..model import Health, ServiceRef
from ..xds.resource import Audience
from ..xds.resource_type import ENDPOINTS
from ..xds.version import assignment_version
from .catalog import Catalog, ServicePort
from .census import Census
from .endpoints_report import EndpointsReport, endpoints_report
from .resource_store import ResourceStore
from .session import Session
from .status import ClientStatus, Problems, Status, clients_status
from .subsets import Subset


class ServiceReport(Struct, frozen=True):
    """One service port in a line."""

    service: str
    names: list[str]
    version: str
    healthy: int
    draining: int
    zones: dict[str, int]
    """Endpoints by zone."""
    clients: dict[str, int]
    """Subscribers by zone."""
    policy: dict[str, Any]
    """The fields that differ from the defaults."""
    refused: str | None
    """Why its newest endpoints are not published; None: they are."""


class Inspection:
    """Reads what others keep, and changes nothing."""

    def __init__(
        self,
        catalog: Catalog,
        store: ResourceStore,
        census: Census,
        sessions: Collection[Session],
        *,
        not_ready: Callable[[], str | None],
        source_problems: Callable[[], Iterable[object]],
        last_change_at: Callable[[], float],
    ) -> None:
        """`last_change_at` is in seconds of the wall clock; 0: nothing was taken in yet."""
        self._catalog = catalog
        self._store = store
        self._census = census
        self._sessions = sessions
        self._not_ready = not_ready
        self._source_problems = source_problems
        self._last_change_at = last_change_at

    def clients(self, service: str = "", namespace: str = "default") -> list[ClientStatus]:
        """Who is connected, or who follows the endpoints of `service`. Raises TargetError and ServiceNotFound."""
        sessions: Iterable[Session] = self._sessions
        if service:
            port, subset = self._port(service, namespace), ServiceRef.parse(service).subset
            sessions = [session for session in sessions if self._follows(session, port, subset)]
        return clients_status(sessions, time.monotonic())

    def status(self, service: str = "", namespace: str = "default") -> Status:
        """Who is connected, or follows `service`, and what is wrong. Raises TargetError and ServiceNotFound."""
        ports = self._catalog.service_ports()
        changed_at = self._last_change_at()
        return Status(
            version=metadata.version("trimtab"),
            not_ready=self._not_ready(),
            service_ports=len(ports),
            endpoints=sum(len(port.assignment) for port in ports),
            last_change_age_s=max(0.0, time.time() - changed_at) if changed_at else None,
            problems=self._problems(),
            clients=self.clients(service, namespace),
        )

    def services(self) -> list[ServiceReport]:
        """Every service port, in the order of their names."""
        return [self._service(port) for port in sorted(self._catalog.service_ports(), key=lambda port: str(port.ref))]

    def endpoints(self, name: str, zone: str = "", namespace: str = "default") -> EndpointsReport:
        """What clients of a zone are told about a service or a subset of it. Raises TargetError, and ServiceNotFound if there is none."""
        port, subset = self._port(name, namespace), ServiceRef.parse(name).subset
        report = endpoints_report(port, zone, self._catalog, self._store, self._census, subset)
        if report.slices or report.by_dns:
            return report
        return structs.replace(report, source_problems=list(map(str, self._source_problems())))

    def _port(self, name: str, namespace: str) -> ServicePort:
        port = self._catalog.get(ServiceRef.parse(name).within(namespace).whole)
        if port is None:
            raise ServiceNotFound(self._store.why_missing(name, Audience(namespace=namespace)))
        return port

    def _follows(self, session: Session, port: ServicePort, subset: Subset | None) -> bool:
        wildcard = any(one.wildcard for one in session.stream.subscriptions if one.type_url == ENDPOINTS)
        return wildcard or any(subset in (ref.subset, None) for ref in self._asked_for(session, port))

    def _asked_for(self, session: Session, port: ServicePort) -> Iterator[ServiceRef]:
        """What a client asked for of a service port by name: all of its endpoints, or a subset.

        Clients may follow thousands of services; only names of this one are looked at.
        """
        stream = session.stream
        for subject in port.names:
            for name in stream.names_of(subject, ENDPOINTS):
                ref = self._store.canonical(name, stream.audience)
                if ref is not None and ref.whole == port.ref:
                    yield ref

    def _problems(self) -> Problems:
        return Problems(
            refused_assignments={str(ref): why for ref, why in self._store.refused.items()},
            repaired_assignments={str(ref): list(repairs) for ref, repairs in self._store.repaired.items()},
            rejected_policies={f"{name}.{namespace}": why for (namespace, name), why in self._catalog.problems.items()}
            | {str(ref): why for ref, why in self._store.fallbacks.problems.items()},
            source=[
                *map(str, self._source_problems()),
                *self._catalog.undivided.values(),
                *self._catalog.notes.values(),
            ],
            unplaced_clients=self._unplaced_clients(),
        )

    def _unplaced_clients(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        unplaced = [session for session in self._sessions if not session.stream.audience.node]
        for port in self._catalog.service_ports():
            if port.wish.node_only:
                clients = [one.stream.node.id or one.peer for one in unplaced if any(self._asked_for(one, port))]
                if clients:
                    found[str(port.ref)] = sorted(clients)
        return dict(sorted(found.items()))

    def _service(self, port: ServicePort) -> ServiceReport:
        name = str(port.ref)
        served = self._store.assignment(port.ref) or port.assignment
        health = Counter(endpoint.health for _, endpoint in served.endpoints())
        zones: Counter[str] = Counter()
        for group in served.localities:
            zones[group.locality.zone] += len(group.endpoints)
        return ServiceReport(
            service=name,
            names=sorted(map(str, port.names)),
            version=assignment_version(served),
            healthy=health[Health.HEALTHY],
            draining=health[Health.DRAINING],
            zones=dict(zones),
            clients=dict(self._census.counts(name)),
            policy=port.policy.to_mapping(),
            refused=self._store.refused.get(port.ref),
        )
