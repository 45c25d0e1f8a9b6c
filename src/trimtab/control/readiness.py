"""Since when endpoints are ready, as far as a replica of this control plane has seen it happen, in this life or the one before."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import structlog

from ..model import Endpoint, LocalityEndpoints
from ..xds.resource import Resource
from ..xds.service_readiness import Identity, ServiceReadiness, Sighting, encode_readiness
from .hearsay import Hearsay
from .join import ServicePort
from .kubernetes import EndpointSlice
from .references import ServiceKey

log = structlog.get_logger(__name__)

LONGEST_RAMP_S = 86_400.0
"""What is ready for longer is new for no policy (`Policy.slow_start_s`)."""
_UNDER_WAY_S = 5.0
"""For how long a change may have been under way through controllers for the time that they give it to be believed."""
_CLOCKS_APART_S = 5.0
"""A replica that dates something so far in the future has another clock than this one."""
_GONE_KEPT = 1_000
"""Services that are gone of which it is remembered that they were there."""
Earlier = Mapping[str, float | None]
"""By Pod uid: when it was first seen ready, in Unix seconds; None: it was there before anybody looked."""


class Heard(NamedTuple):
    """What came of what a replica said."""

    told: bool
    """What others are told is different now."""
    dated: bool
    """Endpoints have other dates now: whoever has noted them must do so again."""


class _Seen(NamedTuple):
    """Who saw an endpoint come, itself without a date, and with it: what did not change is not made anew."""

    sighting: Sighting | None
    plain: Endpoint
    dated: Endpoint


def _dated(sighting: Sighting | None, plain: Endpoint) -> _Seen:
    if sighting is None or plain.ready_since is not None:
        return _Seen(sighting, plain, plain)
    return _Seen(sighting, plain, replace(plain, ready_since=sighting.ready_since))


@dataclass(slots=True)
class _Service:
    seen: dict[Identity, _Seen] = field(default_factory=dict)
    lost: float = 0.0
    """The greatest `absent_until` of an endpoint that is gone: if it comes back, that is later, whatever the clocks say."""
    encoded: Resource | None = None
    """What other replicas are told, once one has asked: they connect anew every half hour, and ask for everything."""

    def followed_by(self, seen: dict[Identity, _Seen]) -> "_Service":
        lost = (self.seen[one].sighting for one in self.seen.keys() - seen.keys())
        return _Service(seen, max(self.lost, *(one.absent_until for one in lost if one is not None), 0.0))


class _New:
    """Since when what is new now is ready."""

    def __init__(self, now: float, absent_until: float, slices: Iterable[EndpointSlice]) -> None:
        self._now = now
        self._absent_until = absent_until
        self._slices = slices

    def sighting(self, endpoint: Endpoint) -> Sighting:
        said = self._said.get((endpoint.address, endpoint.uid), self._now)
        # Clocks that are far apart must not make a Pod older than it is.
        since = said if 0 <= self._now - said <= _UNDER_WAY_S else self._now
        return Sighting(self._absent_until, since)

    @cached_property
    def _said(self) -> Mapping[tuple[str, str], float]:
        """By address and Pod uid: when the change happened that its slice tells of."""
        return {
            (one.addresses[0], one.target_ref.uid if one.target_ref else ""): at
            for item in self._slices
            if (at := item.triggered_at) is not None
            for one in item.endpoints or ()
        }


class Readiness:
    """Notes for every service when each endpoint was first seen ready. What the Pod itself says comes before that.

    What was there when a service was seen first may have been ready for long: nothing is said about it, so that a restart of the
    control plane makes nobody new, unless it remembers the service without that Pod. An endpoint that was gone and is back is new
    again, as it is for Envoy's slow start.

    Where the slices say when what changed them happened, that is the date (docs/adr/0017). Replicas tell each other what they saw,
    and of each endpoint the greatest `Sighting` holds for all of them (docs/adr/0044).
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock` is Unix time in seconds."""
        self._clock = clock
        self._services: dict[ServiceKey, _Service] = {}
        self._gone: dict[ServiceKey, float] = {}
        self._hearsay = Hearsay()
        self._earlier: Earlier = {}
        self._apart: set[str] = set()
        self.blind_since: float | None = None
        """Until when what happened was seen as it happened, in Unix seconds: what is new now came at any time since. None: it is still."""

    def remember(self, earlier: Earlier) -> None:
        """What an earlier life had seen ready; it counts for services that this one has not seen yet."""
        self._earlier = earlier

    def young(self) -> dict[str, float]:
        """By Pod uid: the dates worth remembering."""
        oldest = self._clock() - LONGEST_RAMP_S
        noted = ((uid, one.sighting) for known in self._services.values() for (_, _, uid), one in known.seen.items())
        return {uid: one.ready_since for uid, one in noted if uid and one is not None and one.ready_since > oldest}

    def forget(self, service: ServiceKey) -> None:
        """The service is gone, and with it all its endpoints: should it come back, they are new."""
        if (known := self._services.pop(service, None)) is not None:
            self._gone[service] = known.followed_by({}).lost
            if len(self._gone) > _GONE_KEPT:
                del self._gone[next(iter(self._gone))]

    def note(
        self, service: ServiceKey, ports: Iterable[ServicePort], slices: Iterable[EndpointSlice] = ()
    ) -> list[ServicePort]:
        """The same ports, with `ready_since` of their endpoints filled in where it is known. `slices` are those of the service."""
        ports = list(ports)
        before = self._known(service)
        if before is None and not any(len(port.assignment) for port in ports):
            return ports
        new = self._new(before, slices) if before is not None or self._remembers(ports) else None
        seen: dict[Identity, _Seen] = {}
        heard = self._hearsay.about(service)
        noted = []
        for port in ports:
            localities = tuple(
                _with(group, tuple(self._note(one, before, seen, new, heard) for one in group.endpoints))
                for group in port.assignment.localities
            )
            noted.append(replace(port, assignment=replace(port.assignment, localities=localities)))
        self._services[service] = (before or _Service()).followed_by(seen)
        if heard:
            self._hearsay.seen(service, seen)
        return noted

    def told(self, service: ServiceKey) -> Mapping[Identity, Sighting]:
        """What other replicas are told of a service: all but what the Pods themselves tell everyone."""
        known = self._services.get(service)
        if known is None:
            return {}
        return {
            identity: sighting
            for identity, (sighting, plain, _) in known.seen.items()
            if sighting is not None and plain.ready_since is None
        }

    def resource(self, service: ServiceKey, replica: str) -> Resource | None:
        """The same as a resource without its name, in the words of this `replica`; None: nothing."""
        known = self._services.get(service)
        if known is None:
            return None
        if known.encoded is None and (sightings := self.told(service)):
            known.encoded = encode_readiness(ServiceReadiness(replica, sightings))
        return known.encoded

    def services(self) -> Iterator[ServiceKey]:
        """Those of which other replicas may be told something."""
        return (service for service, known in self._services.items() if known.seen)

    def hear(self, replica: str, service: ServiceKey, said: Mapping[Identity, Sighting]) -> Heard:
        """Another replica said all that it knows of a service now."""
        latest = self._clock() + _CLOCKS_APART_S
        believed = {one: sighting for one, sighting in said.items() if max(sighting) <= latest}
        if len(believed) < len(said) and replica not in self._apart:
            self._apart.add(replica)
            log.warning("a peer's clock is ahead of this one, dates in the future are not taken over", replica=replica)
        known = self._services.get(service) or _Service()
        self._hearsay.put(service, replica, {one: at for one, at in believed.items() if one not in known.seen})
        told = dated = False
        for identity, sighting in believed.items():
            seen = known.seen.get(identity)
            if seen is not None and (seen.sighting is None or sighting > seen.sighting):
                known.seen[identity] = after = _dated(sighting, seen.plain)
                known.encoded = None
                told, dated = True, dated or after.dated.ready_since != seen.dated.ready_since
        return Heard(told, dated)

    def heard_from(self, replica: str) -> Iterable[ServiceKey]:
        """The services of which another replica has said something that is kept."""
        return self._hearsay.services(replica)

    def _known(self, service: ServiceKey) -> _Service | None:
        if (lost := self._gone.pop(service, None)) is not None:
            return _Service(lost=lost)
        return self._services.get(service)

    def _new(self, before: _Service | None, slices: Iterable[EndpointSlice]) -> _New:
        now = self._clock()
        seen_until = now if self.blind_since is None else self.blind_since
        after_loss = math.nextafter(before.lost, math.inf) if before is not None and before.lost else 0.0
        return _New(now, max(seen_until, after_loss), slices)

    def _remembers(self, ports: Iterable[ServicePort]) -> bool:
        """Whether an earlier life knew a service: of what nobody remembers, nothing is new."""
        return any(one.uid in self._earlier for port in ports for _, one in port.assignment.endpoints())

    def _note(
        self,
        endpoint: Endpoint,
        before: _Service | None,
        seen: dict[Identity, _Seen],
        new: _New | None,
        heard: Mapping[Identity, Sighting],
    ) -> Endpoint:
        identity = endpoint.identity
        known = None if before is None else before.seen.get(identity)
        if known is not None:
            seen[identity] = known if known.plain is endpoint else _dated(known.sighting, endpoint)
            return seen[identity].dated
        if before is None and (not endpoint.uid or endpoint.uid in self._earlier):
            at = self._earlier.get(endpoint.uid)
            own = None if at is None else Sighting(0.0, at)
        else:
            own = None if new is None else new.sighting(endpoint)
        seen[identity] = _dated(
            max((one for one in (own, heard.get(identity)) if one is not None), default=None), endpoint
        )
        return seen[identity].dated


def _with(group: LocalityEndpoints, endpoints: tuple[Endpoint, ...]) -> LocalityEndpoints:
    return LocalityEndpoints(group.locality, endpoints, group.weight, group.priority)
