"""Which Event is to be raised next, and what it says: a wrong policy shows in `kubectl describe service`. No I/O.

An Event of core/v1 has a name that follows from what it says, so replicas and restarts count up the same one. The API server forgets
Events after an hour (`--event-ttl`); one that stays true is raised again before that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from ..kubernetes import Service
from ..references import ServiceKey

REASON = "PolicyRejected"
COMPONENT = "trimtab"
REPEAT_S = 1800.0
SPACING_S = 10.0
"""Between two Events about one service, whose annotation somebody is trying to get right."""
BURST = 20
"""How many may be raised at once; a template with a mistake may be in every Service of a cluster."""
REFILL_S = 6.0
"""After which one more may be."""
_MESSAGE_BYTES = 1024
"""The most that a note of events.k8s.io/v1 has, by which Events of core/v1 are read too."""


@dataclass(slots=True)
class _Entry:
    problem: str
    due_at: float
    count: int = 0


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something to raise an Event about."""

    service: ServiceKey
    problem: str
    count: int
    """How often it was raised, this time included."""


class EventBook:
    """What is wrong, and when that was said last."""

    def __init__(self) -> None:
        self._entries: dict[ServiceKey, _Entry] = {}
        self._said_at: dict[ServiceKey, float] = {}
        self._tokens = float(BURST)
        self._refilled_at = 0.0

    def observe(self, problems: Mapping[ServiceKey, str], now: float) -> None:
        """These are all the problems there are now. `now` is in seconds of a monotonic clock."""
        for service in self._entries.keys() - problems.keys():
            del self._entries[service]
        for service, problem in problems.items():
            entry = self._entries.get(service)
            if entry is None or entry.problem != problem:
                self._entries[service] = _Entry(problem, max(now, self._said_at.get(service, -SPACING_S) + SPACING_S))
        self._said_at = {key: at for key, at in self._said_at.items() if key in problems or now - at < SPACING_S}

    def next(self, now: float) -> Occurrence | None:
        """What to raise now; None: nothing, or not yet. It counts as raised."""
        self._refill(now)
        service = min(self._entries, key=lambda key: self._entries[key].due_at, default=None)
        if service is None or self._entries[service].due_at > now or self._tokens < 1:
            return None
        self._tokens -= 1
        entry = self._entries[service]
        entry.due_at, self._said_at[service] = now + REPEAT_S, now
        entry.count += 1
        return Occurrence(service, entry.problem, entry.count)

    def failed(self, occurrence: Occurrence, retry_at: float) -> None:
        """It could not be raised; it is to be tried again at `retry_at`, if it is true by then."""
        entry = self._entries.get(occurrence.service)
        if entry is not None and entry.problem == occurrence.problem:
            entry.due_at = retry_at
            entry.count -= 1

    def wait_s(self, now: float) -> float | None:
        """Seconds until `next` may have something; None: not before something else is observed."""
        if not self._entries:
            return None
        self._refill(now)
        token_s = 0.0 if self._tokens >= 1 else (1 - self._tokens) * REFILL_S
        return max(token_s, min(entry.due_at for entry in self._entries.values()) - now)

    def _refill(self, now: float) -> None:
        self._tokens = min(BURST, self._tokens + (now - self._refilled_at) / REFILL_S)
        self._refilled_at = now


def event(service: Service, problem: str, now: datetime) -> dict[str, Any]:
    """The Event that says what is wrong with the policy of a Service."""
    metadata = service.metadata
    digest = blake2b(f"{metadata.uid} {problem}".encode(), digest_size=8).hexdigest()
    at = _timestamp(now)
    return {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": f"{metadata.name}.{digest}", "namespace": metadata.namespace},
        "involvedObject": {
            "kind": "Service",
            "apiVersion": "v1",
            "namespace": metadata.namespace,
            "name": metadata.name,
            "uid": metadata.uid,
        },
        "type": "Warning",
        "reason": REASON,
        "message": _shortened(f"{problem}; the last good policy stays in use"),
        "source": {"component": COMPONENT},
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }


def once_more(count: int, now: datetime) -> dict[str, Any]:
    """What changes in an Event that is there already, after `count` times here (a merge patch, RFC 7396).

    Other replicas count too. Whichever comes last is shown: it is about right, and nobody has to be allowed to read Events.
    """
    return {"count": max(2, count), "lastTimestamp": _timestamp(now)}


def _timestamp(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _shortened(message: str) -> str:
    data = message.encode()
    return message if len(data) <= _MESSAGE_BYTES else data[: _MESSAGE_BYTES - 3].decode(errors="ignore") + "…"
