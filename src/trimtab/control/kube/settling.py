"""Pods that move between slices: what takes an endpoint away waits a moment for the slice that names it again. No I/O, no clock.

Controllers write slices one after the other, so in between a Pod that moves is in none (EndpointSlice docs, "Duplicate endpoints").
"""

from collections.abc import Iterable

from ..kubernetes import EndpointSlice, Object, ObjectKey
from .reflector import News
from .usable import Identity
from .withdrawal_guard import ServiceKey, WithdrawalGuard

SETTLE_S = 0.02
"""How long an endpoint that vanished may take to turn up in another slice."""
RECONNECT_S = 2.0
"""If the watch broke off in such a moment, it may take this long to come back."""
_MOST_ROUNDS = 10
"""A service that loses endpoints without a pause is told of after so many times the time to settle."""


class Settling:
    """What is not told yet. Services wait one by one: what happens to others is told at once."""

    def __init__(self, guard: WithdrawalGuard) -> None:
        """`guard` knows what has been told."""
        self._guard = guard
        self._waiting: dict[ObjectKey, Object | None] = {}
        # Since when an endpoint is in no slice.
        self._lost_at: dict[ServiceKey, dict[Identity, float]] = {}

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._waiting)

    def take(self, news: News, now: float, *, hears: bool) -> News:
        """What of `news`, and of what has waited, may be told. `hears`: all that happened a moment ago has been heard."""
        for key in news.deletes:
            self._note(key, None)
        for item in news.upserts:
            self._note(item.key, item)
        heard = [(key, None) for key in news.deletes] + [(item.key, item) for item in news.upserts]
        if about := {service for key, item in heard for service in self._services(key, item)}:
            self._find_lost(about, now)
        held = {service for service, lost_at in self._lost_at.items() if _is_moving(lost_at.values(), now, hears)}
        told = [key for key, item in self._waiting.items() if held.isdisjoint(self._services(key, item))]
        items = [(key, self._waiting.pop(key)) for key in told]
        self._lost_at = {service: lost_at for service, lost_at in self._lost_at.items() if service in held}
        upserts = tuple(item for _, item in items if item is not None)
        return News(upserts, tuple(key for key, item in items if item is None), news.complete)

    def _note(self, key: ObjectKey, item: Object | None) -> None:
        # To the end of the order: where slices disagree, the newest word counts.
        self._waiting.pop(key, None)
        self._waiting[key] = item

    def _find_lost(self, about: set[ServiceKey], now: float) -> None:
        """What these services lose by all that waits; nothing has changed for others."""
        waiting = [entry for entry in self._waiting.items() if not about.isdisjoint(self._services(*entry))]
        upserts = [item for _, item in waiting if item is not None]
        gone = self._guard.lost(upserts, [key for key, item in waiting if item is None])
        for service in about:
            before = self._lost_at.pop(service, {})
            if service in gone:
                self._lost_at[service] = {identity: before.get(identity, now) for identity in gone[service]}

    def _services(self, key: ObjectKey, item: Object | None) -> Iterable[ServiceKey]:
        """The services a slice belongs to: the one it did, and the one it does."""
        if (owner := self._guard.owner(key)) is not None:
            yield owner
        if isinstance(item, EndpointSlice):
            yield item.service


def _is_moving(lost_at: Iterable[float], now: float, hears: bool) -> bool:
    """Whether something that is gone may still turn up."""
    longest_s = now - min(lost_at)
    if not hears:
        return longest_s < RECONNECT_S
    return now - max(lost_at) < SETTLE_S and longest_s < _MOST_ROUNDS * SETTLE_S
