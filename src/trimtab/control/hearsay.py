"""What other replicas said of endpoints that this one does not see: not yet, or not any more."""

from collections.abc import Collection, Mapping

import structlog

from ..xds.service_readiness import Identity, Sighting
from .references import ServiceKey

log = structlog.get_logger(__name__)

MOST = 500_000
"""Sightings kept: those of a large cluster from several replicas, as after a start. A replica out of its mind fills 200 MB with it."""


class Hearsay:
    """By service and replica, what was said last."""

    def __init__(self, most: int = MOST) -> None:
        self._said: dict[ServiceKey, dict[str, Mapping[Identity, Sighting]]] = {}
        self._most = most
        self._full = False
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, service: ServiceKey, replica: str, sightings: Mapping[Identity, Sighting]) -> None:
        """In place of what the replica said before."""
        said = self._said.setdefault(service, {})
        self._count -= len(said.pop(replica, ()))
        if self._count + len(sightings) > self._most:
            if not self._full:
                log.warning(
                    "peers tell of too many endpoints that are not known here, the rest is ignored", most=self._most
                )
            self._full = True
        elif sightings:
            said[replica] = sightings
            self._count += len(sightings)
        if not said:
            del self._said[service]

    def about(self, service: ServiceKey) -> Mapping[Identity, Sighting]:
        """The greatest sighting of each endpoint."""
        found: dict[Identity, Sighting] = {}
        for sightings in self._said.get(service, {}).values():
            found |= {one: max(sighting, found.get(one, sighting)) for one, sighting in sightings.items()}
        return found

    def seen(self, service: ServiceKey, endpoints: Collection[Identity]) -> None:
        """These are seen here: nothing more needs to be known of them."""
        for replica, sightings in list(self._said.get(service, {}).items()):
            rest = {one: sighting for one, sighting in sightings.items() if one not in endpoints}
            if len(rest) < len(sightings):
                self.put(service, replica, rest)

    def services(self, replica: str) -> Collection[ServiceKey]:
        """Those of which the replica said something that is kept."""
        return [service for service, said in self._said.items() if replica in said]
