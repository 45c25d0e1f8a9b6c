"""Since when endpoints are ready, as far as this control plane has seen it happen, in this life or the one before."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from ..model import Endpoint, LocalityEndpoints
from .join import ServicePort
from .kubernetes import EndpointSlice
from .references import ServiceKey

LONGEST_RAMP_S = 86_400.0
"""What is ready for longer is new for no policy (`Policy.slow_start_s`)."""
_UNDER_WAY_S = 5.0
"""For how long a change may have been under way through controllers for the time that they give it to be believed."""
Identity = tuple[str, int, str]
Earlier = Mapping[str, float | None]
"""By Pod uid: when it was first seen ready, in Unix seconds; None: it was there before anybody looked."""


class _Seen(NamedTuple):
    """When an endpoint was seen first, itself without that date, and with it: what did not change is not made anew."""

    at: float | None
    plain: Endpoint
    dated: Endpoint


class _New:
    """Since when what is new now is ready."""

    def __init__(self, clock: Callable[[], float], slices: Iterable[EndpointSlice]) -> None:
        self._now = clock()
        self._slices = slices

    def since(self, endpoint: Endpoint) -> float:
        said = self._said.get((endpoint.address, endpoint.uid), self._now)
        # Clocks that are far apart must not make a Pod older than it is.
        return said if 0 <= self._now - said <= _UNDER_WAY_S else self._now

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

    Where the slices say when what changed them happened, that is the date, and every replica that saw it has the same one
    (docs/adr/0017).
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock` is Unix time in seconds."""
        self._clock = clock
        self._seen: dict[ServiceKey, dict[Identity, _Seen]] = {}
        self._earlier: Earlier = {}

    def remember(self, earlier: Earlier) -> None:
        """What an earlier life had seen ready; it counts for services that this one has not seen yet."""
        self._earlier = earlier

    def young(self) -> dict[str, float]:
        """By Pod uid: the dates worth remembering."""
        oldest = self._clock() - LONGEST_RAMP_S
        dated = ((uid, noted.at) for seen in self._seen.values() for (_, _, uid), noted in seen.items())
        return {uid: at for uid, at in dated if uid and at is not None and at > oldest}

    def forget(self, service: ServiceKey) -> None:
        """The service is gone."""
        self._seen.pop(service, None)

    def note(
        self, service: ServiceKey, ports: Iterable[ServicePort], slices: Iterable[EndpointSlice] = ()
    ) -> list[ServicePort]:
        """The same ports, with `ready_since` of their endpoints filled in where it is known. `slices` are those of the service."""
        ports = list(ports)
        before = self._seen.get(service)
        if before is None and not any(len(port.assignment) for port in ports):
            return ports
        new = _New(self._clock, slices) if before is not None or self._remembers(ports) else None
        seen = self._seen[service] = {}
        noted = []
        for port in ports:
            localities = tuple(
                _with(group, tuple(self._note(one, before, seen, new) for one in group.endpoints))
                for group in port.assignment.localities
            )
            noted.append(replace(port, assignment=replace(port.assignment, localities=localities)))
        return noted

    def _remembers(self, ports: Iterable[ServicePort]) -> bool:
        """Whether an earlier life knew a service: of what nobody remembers, nothing is new."""
        return any(one.uid in self._earlier for port in ports for _, one in port.assignment.endpoints())

    def _note(
        self,
        endpoint: Endpoint,
        before: Mapping[Identity, _Seen] | None,
        seen: dict[Identity, _Seen],
        new: "_New | None",
    ) -> Endpoint:
        identity = endpoint.identity
        known = None if before is None else before.get(identity)
        if known is not None and known.plain is endpoint:
            seen[identity] = known
            return known.dated
        if known is not None:
            at = known.at
        elif before is None and (not endpoint.uid or endpoint.uid in self._earlier):
            at = self._earlier.get(endpoint.uid)
        else:
            at = None if new is None else new.since(endpoint)
        dated = endpoint if at is None or endpoint.ready_since is not None else replace(endpoint, ready_since=at)
        seen[identity] = _Seen(at, endpoint, dated)
        return dated


def _with(group: LocalityEndpoints, endpoints: tuple[Endpoint, ...]) -> LocalityEndpoints:
    return LocalityEndpoints(group.locality, endpoints, group.weight, group.priority)
