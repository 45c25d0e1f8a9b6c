"""Since when endpoints are ready, as far as this control plane has seen it happen, in this life or the one before."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from ..model import Assignment, Endpoint, LocalityEndpoints
from .join import ServicePort
from .references import ServiceKey

LONGEST_RAMP_S = 86_400.0
"""What is ready for longer is new for no policy (`Policy.slow_start_s`)."""
Identity = tuple[str, int, str]
Seen = Mapping[str, float | None]
"""By Pod uid: when it was first seen ready, in Unix seconds; None: it was there before anybody looked."""


class Readiness:
    """Notes for every service when each endpoint was first seen ready. What the Pod itself says comes before that.

    What was there when a service was seen first may have been ready for long: nothing is said about it, so that a restart of the
    control plane makes nobody new, unless it remembers the service without that Pod. An endpoint that was gone and is back is new
    again, as it is for Envoy's slow start.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock` is Unix time in seconds."""
        self._clock = clock
        self._since: dict[ServiceKey, dict[Identity, float | None]] = {}
        self._earlier: Seen = {}

    def remember(self, earlier: Seen) -> None:
        """What an earlier life had seen ready; it counts for services that this one has not seen yet."""
        self._earlier = earlier

    def young(self) -> dict[str, float]:
        """By Pod uid: the dates worth remembering."""
        oldest = self._clock() - LONGEST_RAMP_S
        dated = ((uid, at) for seen in self._since.values() for (_, _, uid), at in seen.items())
        return {uid: at for uid, at in dated if uid and at is not None and at > oldest}

    def forget(self, service: ServiceKey) -> None:
        """The service is gone."""
        self._since.pop(service, None)

    def note(self, service: ServiceKey, ports: Iterable[ServicePort]) -> list[ServicePort]:
        """The same ports, with `ready_since` of their endpoints filled in where it is known."""
        ports = list(ports)
        before = self._since.get(service)
        present = [endpoint for port in ports for _, endpoint in port.assignment.endpoints()]
        if not present and before is None:
            return ports
        since = self._since[service] = self._first_seen(present) if before is None else self._seen(present, before)
        return [replace(port, assignment=_dated(port.assignment, since)) for port in ports]

    def _seen(
        self, present: Iterable[Endpoint], before: Mapping[Identity, float | None]
    ) -> dict[Identity, float | None]:
        now = self._clock()
        return {endpoint.identity: before.get(endpoint.identity, now) for endpoint in present}

    def _first_seen(self, present: Iterable[Endpoint]) -> dict[Identity, float | None]:
        known = {endpoint.identity: endpoint.uid for endpoint in present}
        # Of a service of which nothing is remembered nothing is new.
        otherwise = self._clock() if any(uid in self._earlier for uid in known.values()) else None
        return {identity: self._earlier.get(uid, otherwise) if uid else None for identity, uid in known.items()}


def _dated(assignment: Assignment, since: Mapping[Identity, float | None]) -> Assignment:
    return replace(assignment, localities=tuple(_dated_group(group, since) for group in assignment.localities))


def _dated_group(group: LocalityEndpoints, since: Mapping[Identity, float | None]) -> LocalityEndpoints:
    return replace(group, endpoints=tuple(_dated_endpoint(endpoint, since) for endpoint in group.endpoints))


def _dated_endpoint(endpoint: Endpoint, since: Mapping[Identity, float | None]) -> Endpoint:
    at = since.get(endpoint.identity) if endpoint.ready_since is None else None
    return endpoint if at is None else replace(endpoint, ready_since=at)
