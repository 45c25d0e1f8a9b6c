"""Most endpoints of most services do not vanish at once. When they seem to, they are kept for a second look. No I/O.

What is gone meanwhile is demoted, not kept equal: clients use it only where nothing else is left. What is new counts at once. One
service may lose whatever it wants (docs/adr/0023).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..kubernetes import EndpointSlice, Object, ObjectKey, Service
from .usable import Identity, Usable, usable, with_demoted

ServiceKey = tuple[str, str]
"""Namespace and name."""
Taken = tuple[list[Object], list[ObjectKey]]
"""Objects to serve, and keys of those to serve no more."""


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """What counts as too much at once."""

    share: float = 0.5
    """More than this share of the endpoints of more than this share of all services; 1 turns the guard off.

    What counts is how many are left: Pods that were replaced are not missing."""
    least_services: int = 2
    """A cluster of one service must be able to scale it to zero."""
    window_s: float = 10.0
    """Within this time."""
    second_look_after_s: float = 5.0
    """How long to wait before everything is listed again to confirm it."""


@dataclass(frozen=True, slots=True)
class _Before:
    """A service as it was before it began to lose endpoints."""

    since: float
    service: Service
    slices: Mapping[str, EndpointSlice]
    usable: Usable


class WithdrawalGuard:
    """Stands between what the API server says and what is served."""

    def __init__(self, settings: GuardSettings) -> None:
        self._settings = settings
        self._services: dict[ServiceKey, Service] = {}
        self._slices: dict[ServiceKey, dict[str, EndpointSlice]] = {}
        self._owner: dict[ObjectKey, ServiceKey] = {}
        self._losing: dict[ServiceKey, _Before] = {}
        self._collapsed: set[ServiceKey] = set()
        self._held: dict[ServiceKey, _Before] = {}
        # Slices that exist for what is held alone.
        self._extra: dict[ServiceKey, frozenset[str]] = {}
        self._held_since = 0.0
        self.trips = 0
        """How often the guard stepped in."""

    def __repr__(self) -> str:
        return f"<WithdrawalGuard of {len(self._services)} services, holding {len(self._held)}>"

    @property
    def holding(self) -> int:
        """Endpoints that are gone as far as the API server says, and still served."""
        return sum(len(self._lost(key, before)) for key, before in self._held.items())

    @property
    def held_services(self) -> Iterable[ServiceKey]:
        """The services they belong to."""
        return self._held.keys()

    def second_look_in_s(self, now: float) -> float | None:
        """How long until everything is to be looked at again; None: nothing is held."""
        if not self._held:
            return None
        return max(0.0, self._held_since + self._settings.second_look_after_s - now)

    def owner(self, key: ObjectKey) -> ServiceKey | None:
        """The service that a slice belongs to, as far as it was taken in."""
        return self._owner.get(key)

    def lost(self, upserts: Iterable[Object], deletes: Iterable[ObjectKey]) -> dict[ServiceKey, set[Identity]]:
        """The endpoints that take calls and would be taken away by this, for all that it says; only services that have any."""
        before: dict[ServiceKey, set[Identity]] = {}
        after: set[Identity] = set()
        for item in upserts:
            if isinstance(item, EndpointSlice):
                after |= usable([item]).keys()
                self._collect(item.key, before)
        for key in deletes:
            self._collect(key, before)
        return {service: gone for service, known in before.items() if (gone := known - after)}

    def _collect(self, key: ObjectKey, before: dict[ServiceKey, set[Identity]]) -> None:
        owner = self._owner.get(key)
        if owner is not None:
            before.setdefault(owner, set()).update(usable([self._slices[owner][key[2]]]))

    def take(self, upserts: Iterable[Object], deletes: Iterable[ObjectKey], now: float) -> Taken:
        """What of this may be served at once, and in which form."""
        upserts, deletes = list(upserts), list(deletes)
        self._forget_old(now)
        touched = self._touched(upserts, deletes)
        for key in touched:
            self._remember(key, now)
        for gone in deletes:
            self._delete(gone)
        for item in upserts:
            self._upsert(item)
        newly_held = self._judge(touched, now)
        return self._hold_back(upserts, deletes, touched | newly_held) if self._held else (upserts, deletes)

    def release(self) -> Taken:
        """The second look has been taken in and is over: what is still gone is gone."""
        served: list[Object] = []
        gone: list[ObjectKey] = []
        for key in self._held:
            served.extend(self._slices.get(key, {}).values())
            gone.extend(("EndpointSlice", key[0], name) for name in self._extra.get(key, ()))
            if key not in self._services:
                gone.append(("Service", *key))
        self._held, self._losing, self._extra, self._collapsed = {}, {}, {}, set()
        return served, gone

    def _touched(self, upserts: Iterable[Object], deletes: Iterable[ObjectKey]) -> set[ServiceKey]:
        touched = {owner for key in deletes if (owner := self._owner.get(key)) is not None}
        touched |= {(key[1], key[2]) for key in deletes if key[0] == "Service"}
        for item in upserts:
            if isinstance(item, EndpointSlice):
                touched.add(item.service)
                if (owner := self._owner.get(item.key)) is not None:
                    touched.add(owner)
            elif isinstance(item, Service):
                touched.add((item.metadata.namespace, item.metadata.name))
        return touched

    def _remember(self, key: ServiceKey, now: float) -> None:
        if key in self._losing or key in self._held or (service := self._services.get(key)) is None:
            return
        slices = self._slices.get(key, {})
        if endpoints := usable(slices.values()):
            self._losing[key] = _Before(now, service, dict(slices), endpoints)

    def _forget_old(self, now: float) -> None:
        # In the order in which they were noted.
        while self._losing:
            key, before = next(iter(self._losing.items()))
            if now - before.since <= self._settings.window_s:
                return
            del self._losing[key]
            self._collapsed.discard(key)

    def _upsert(self, item: Object) -> None:
        if isinstance(item, Service):
            self._services[item.metadata.namespace, item.metadata.name] = item
        elif isinstance(item, EndpointSlice):
            self._delete(item.key)
            self._owner[item.key] = item.service
            self._slices.setdefault(item.service, {})[item.metadata.name] = item

    def _delete(self, key: ObjectKey) -> None:
        if key[0] == "Service":
            self._services.pop((key[1], key[2]), None)
        elif (owner := self._owner.pop(key, None)) is not None:
            del self._slices[owner][key[2]]
            if not self._slices[owner]:
                del self._slices[owner]

    def _present(self, key: ServiceKey) -> Usable:
        return usable(self._slices.get(key, {}).values()) if key in self._services else {}

    def _lost(self, key: ServiceKey, before: _Before) -> Usable:
        present = self._present(key)
        return {identity: found for identity, found in before.usable.items() if identity not in present}

    def _judge(self, touched: Iterable[ServiceKey], now: float) -> set[ServiceKey]:
        """Whether this is one of those days. The services to be held from now on."""
        for key in touched:
            if key in self._losing and self._has_collapsed(key, self._losing[key]):
                self._collapsed.add(key)
            else:
                self._collapsed.discard(key)
        # Once it is, whatever collapses joins those that did.
        if not self._held:
            if not self._too_many():
                return set()
            self._held_since = now
            self.trips += 1
        newly, self._collapsed = self._collapsed, set()
        for key in newly:
            self._held[key] = self._losing.pop(key)
        return newly

    def _too_many(self) -> bool:
        collapsed = len(self._collapsed)
        if collapsed < self._settings.least_services:
            return False
        others = sum(key in self._services and key not in self._collapsed for key in self._slices)
        return collapsed > self._settings.share * (others + collapsed)

    def _has_collapsed(self, key: ServiceKey, before: _Before) -> bool:
        # Counted, not compared: a restart that replaces every Pod by another is no collapse.
        return len(self._present(key)) < (1 - self._settings.share) * len(before.usable)

    def _hold_back(
        self, upserts: Iterable[Object], deletes: Iterable[ObjectKey], changed: Iterable[ServiceKey]
    ) -> Taken:
        """What is about services that are not held, and those that are in the form in which they are kept."""
        served = [item for item in upserts if _service_of(item) not in self._held]
        gone = [key for key in deletes if key[0] != "Service" or key[1:] not in self._held]
        for key in changed:
            if (before := self._held.get(key)) is None:
                continue
            present = self._slices.get(key, {})
            view = with_demoted(present, self._lost(key, before))
            extra = frozenset(view.keys() - present.keys())
            served.extend((self._services.get(key, before.service), *view.values()))
            gone.extend(("EndpointSlice", key[0], name) for name in self._extra.get(key, frozenset()) - extra)
            self._extra[key] = extra
        return served, gone


def _service_of(item: Object) -> ServiceKey | None:
    if isinstance(item, EndpointSlice):
        return item.service
    return (item.metadata.namespace, item.metadata.name) if isinstance(item, Service) else None
