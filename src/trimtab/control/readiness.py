"""Since when endpoints are ready, as far as this control plane has seen it happen."""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from ..model import Assignment, Endpoint, LocalityEndpoints
from .join import ServicePort

_Identity = tuple[str, int, str]


class Readiness:
    """Notes for one service when each endpoint was first seen ready.

    What was there when the service was seen first may have been ready for long: nothing is said about it, so that a restart of the
    control plane makes nobody new. An endpoint that was gone and is back is new again, as it is for Envoy's slow start.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock` is Unix time in seconds."""
        self._clock = clock
        self._since: dict[_Identity, float | None] | None = None

    def note(self, ports: Iterable[ServicePort]) -> list[ServicePort]:
        """The same ports, with `ready_since` of their endpoints filled in where it is known."""
        ports = list(ports)
        before, now = self._since, self._clock()
        present = [endpoint for port in ports for _, endpoint in port.assignment.endpoints()]
        if not present and before is None:
            return ports
        self._since = {
            endpoint.identity: None if before is None else before.get(endpoint.identity, now) for endpoint in present
        }
        return [replace(port, assignment=self._dated(port.assignment)) for port in ports]

    def _dated(self, assignment: Assignment) -> Assignment:
        groups = (self._dated_group(group) for group in assignment.localities)
        return replace(assignment, localities=tuple(groups))

    def _dated_group(self, group: LocalityEndpoints) -> LocalityEndpoints:
        return replace(group, endpoints=tuple(map(self._dated_endpoint, group.endpoints)))

    def _dated_endpoint(self, endpoint: Endpoint) -> Endpoint:
        since = None if self._since is None else self._since.get(endpoint.identity)
        return endpoint if since is None or endpoint.ready_since is not None else replace(endpoint, ready_since=since)
