"""Fallback services: their endpoints as further priorities of the services that name them (docs/adr/0041).

Whoever reads priorities fails over then: stock gRPC, Envoy and our own client alike. A fallback is called as the service itself, by
its name and TLS identity; so it must speak the same protocol, and in another namespace its owner has to agree.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import structlog

from ..errors import TargetError
from ..model import Assignment, Endpoint, LocalityEndpoints, ServiceRef
from .catalog import Catalog, Changes, ServiceKey
from .join import ServicePort
from .kubernetes import FALLBACK_ANNOTATION

log = structlog.get_logger(__name__)


class Refusal(Exception):
    """Why a service is no fallback for another."""


class Fallbacks:
    """Follows who falls back to whom."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._wanted: dict[ServiceRef, frozenset[ServiceKey]] = {}
        """The services that each service port falls back to."""
        self._followers: defaultdict[ServiceKey, set[ServiceRef]] = defaultdict(set)
        self.problems: dict[ServiceRef, str] = {}
        """Service ports with fallbacks that cannot be used, and why; the others are used."""

    def extended(self, changes: Changes) -> Changes:
        """The same changes with fallbacks joined to every service port, and with those ports whose fallbacks changed."""
        ports: dict[ServiceRef, ServicePort | None] = dict(changes)
        for key in {_key(ref) for ref in changes}:
            for follower in self._followers.get(key, ()):
                port = self._catalog.get(follower)
                for name in () if port is None else port.names:
                    ports.setdefault(name, port)
        for ref, port in changes.items():
            if port is None:
                self._follow(ref, ())
                self.problems.pop(ref, None)
        # Names of one port share one value, before and after.
        extended = {id(port): self._extend(port) for port in ports.values() if port is not None}
        return {ref: None if port is None else extended[id(port)] for ref, port in ports.items()}

    def _extend(self, port: ServicePort) -> ServicePort:
        targets: list[ServiceRef] = []
        assignments: list[tuple[ServiceRef, Assignment]] = []
        problems: list[str] = []
        for name in port.policy.fallback:
            try:
                targets.append(ref := _meant(name, port))
                target = self._target(ref, port)
                assignments.append((target.ref, target.assignment))
            except (TargetError, Refusal) as why:
                problems.append(f"fallback {name}: {why}")
        self._follow(port.ref, targets)
        self._note(port.ref, "; ".join(problems))
        if not assignments:
            return port
        return replace(port, assignment=joined(port.assignment, assignments))

    def _target(self, ref: ServiceRef, port: ServicePort) -> ServicePort:
        """The service port that `port` falls back to by this name. Raises Refusal."""
        same_port = None if ref.port else self._catalog.get(replace(ref, port=port.ref.port))
        target = same_port or self._catalog.get(ref)
        if target is None:
            raise Refusal(self._catalog.why_missing(ref))
        if target.ref == port.ref:
            raise Refusal("a service is no fallback for itself")
        if target.external is not None:
            raise Refusal(f"it is an ExternalName for {target.external}: it has no endpoints")
        if target.http2 is not port.http2:
            raise Refusal("it speaks another protocol, by appProtocol or by the names of the ports: one speaks HTTP/2")
        if ref.namespace != port.ref.namespace and not _agrees(target, port):
            raise Refusal(
                f"its owner has not agreed to take calls of namespace {port.ref.namespace}: Service {ref.namespace}/{ref.name} needs "
                f"the annotation {FALLBACK_ANNOTATION}: {port.ref.namespace}"
            )
        return target

    def _follow(self, ref: ServiceRef, targets: Sequence[ServiceRef]) -> None:
        before = self._wanted.pop(ref, frozenset())
        after = frozenset(map(_key, targets))
        for key in before - after:
            self._followers[key].discard(ref)
            if not self._followers[key]:
                del self._followers[key]
        for key in after:
            self._followers[key].add(ref)
        if after:
            self._wanted[ref] = after

    def _note(self, ref: ServiceRef, problem: str) -> None:
        if problem and self.problems.get(ref) != problem:
            log.warning("fallback refused", service=str(ref), why=problem)
        self.problems.pop(ref, None)
        if problem:
            self.problems[ref] = problem


def joined(assignment: Assignment, fallbacks: Sequence[tuple[ServiceRef, Assignment]]) -> Assignment:
    """The assignment, and after it the endpoints of each fallback that are not there yet, at priorities of their own."""
    groups = list(assignment.localities)
    seen = {(endpoint.address, endpoint.port) for _, endpoint in assignment.endpoints()}
    for ref, fallback in fallbacks:
        base = 1 + max((group.priority for group in groups), default=-1)
        groups += _further(fallback, str(ref), base, seen)
        seen |= {(endpoint.address, endpoint.port) for _, endpoint in fallback.endpoints()}
    return replace(assignment, localities=tuple(groups))


def _further(assignment: Assignment, origin: str, base: int, seen: set[tuple[str, int]]) -> Iterator[LocalityEndpoints]:
    for group in assignment.localities:
        endpoints = tuple(_of(endpoint, origin) for endpoint in group.endpoints if _place(endpoint) not in seen)
        if endpoints:
            yield replace(group, endpoints=endpoints, priority=base + group.priority)


def _of(endpoint: Endpoint, origin: str) -> Endpoint:
    return replace(endpoint, origin=origin)


def _place(endpoint: Endpoint) -> tuple[str, int]:
    return endpoint.address, endpoint.port


def _key(ref: ServiceRef) -> ServiceKey:
    return ref.namespace or "", ref.name


def _meant(name: str, port: ServicePort) -> ServiceRef:
    """The service that a policy names, by default in the namespace of its own. Raises TargetError and Refusal."""
    ref = ServiceRef.parse(name).within(port.ref.namespace or "")
    if ref.subset is not None:
        raise Refusal("a fallback is a whole service; its endpoints with the same labels serve the shards")
    return ref


def _agrees(target: ServicePort, port: ServicePort) -> bool:
    return bool({"*", port.ref.namespace, f"{port.ref.name}.{port.ref.namespace}"}.intersection(target.fallback_for))
