"""The server's half of one xDS stream: requests and changes in, responses out."""

import itertools
from collections.abc import Callable, Collection, Hashable, Iterable
from functools import partial
from typing import Any, Protocol

from ..errors import LimitExceeded, ProtocolError
from .discovery import ClientNode
from .resource import Audience, Resource, Resources
from .resource_type import PUSH_ORDER, SHORT_NAMES
from .subscription import Batch, Subscription

TYPES_MAX = 16
"""How many resource types one stream may ask for: more than xDS has that any client asks for on its own."""
_SERVED = ", ".join(SHORT_NAMES)


def _nobody(_: str) -> None:
    """Nobody counts them."""


class Wire(Protocol):
    """A dialect of the protocol: `StateOfTheWorld` or `Incremental`."""

    def parse(self, data: bytes) -> Any:
        """A request from bytes. Raises ProtocolError."""
        ...

    def apply(self, request: Any, subscription: Subscription, everything: Iterable[str], now: float) -> None:
        """What the request means for its subscription."""
        ...

    def is_plain_ack(self, data: bytes, subscription: Subscription) -> bool:
        """Whether these bytes can only be an ACK of the newest response that asks for what is followed already."""
        ...

    def sends_whole(self, type_url: str) -> bool:
        """Whether every response of this type holds all that is subscribed."""
        ...

    def encode_one(self, type_url: str, name: str, resource: Resource, nonce: str) -> tuple[str, bytes]:
        """The response that says one resource, and its version."""
        ...

    def encode(
        self,
        subscription: Subscription,
        batch: Batch,
        nonce: str,
        get: Callable[[str], Resource | None],
        why_missing: Callable[[str], str],
    ) -> tuple[str, bytes]:
        """The response that says `batch`, and its version."""
        ...


class ServerStream:
    """One client on one stream, over all types it asks for."""

    __slots__ = (
        "_followers",
        "_nonces",
        "_only",
        "_resources",
        "_subscriptions",
        "_wildcards",
        "_wire",
        "audience",
        "generation",
        "node",
    )

    def __init__(self, wire: Wire, resources: Resources, *, only: str | None = None) -> None:
        """`only` is the one type that may be asked for; None: an aggregated stream."""
        self._wire = wire
        self._resources = resources
        self._only = only
        self._nonces = itertools.count(1)
        self._subscriptions: tuple[Subscription, ...] = ()
        """One per type, in the order in which types are pushed."""
        self._wildcards: list[Subscription] = []
        self._followers: dict[Hashable, dict[tuple[Subscription, str], None]] = {}
        self.generation = 0
        """Differs once `subscriptions`, `subjects` or `wildcards` may differ."""
        self.node = ClientNode()
        self.audience = Audience()

    @property
    def subscriptions(self) -> Collection[Subscription]:
        """One per type that was asked for."""
        return self._subscriptions

    @property
    def subjects(self) -> Collection[Hashable]:
        """What this stream wants to hear changes of."""
        return self._followers.keys()

    @property
    def wildcards(self) -> frozenset[str]:
        """The types of which this stream follows everything."""
        return frozenset(subscription.type_url for subscription in self._wildcards)

    def names_of(self, subject: Hashable, type_url: str) -> list[str]:
        """The names of one type by which this stream asked for what is announced under `subject`."""
        followers = self._followers.get(subject, ())
        return [name for subscription, name in followers if subscription.type_url == type_url]

    def receive(self, data: bytes, now: float) -> Subscription:
        """Take in a request; the subscription it was about. Raises ProtocolError."""
        for known in self._subscriptions:
            # Most requests are this, and may name thousands of services.
            if known.delivery.waiting_since is not None and self._wire.is_plain_ack(data, known):
                known.delivery.acked(now)
                return known
        request = self._wire.parse(data)
        if request.node is not None and not self._subscriptions:
            self.node = request.node
            self.audience = self._resources.audience(request.node)
        type_url = str(request.type_url or self._only or "")
        if not type_url:
            raise ProtocolError("a request without type_url on an aggregated stream")
        if self._only not in (None, type_url):
            raise ProtocolError(f"a request for {type_url} on a stream of {self._only}")
        subscription = next((each for each in self._subscriptions if each.type_url == type_url), None)
        subscription = subscription or self._open(type_url)
        before, everything = subscription.names, subscription.wildcard
        self._wire.apply(request, subscription, self._resources.all_names(type_url), now)
        if not subscription.started and type_url not in SHORT_NAMES:
            # Nobody serves this type. Whoever asks for it must not wait for ever, not even for nothing in particular.
            subscription.expect()
        subscription.started = True
        if subscription.names is not before or subscription.wildcard is not everything:
            self._follow(subscription, subscription.names - before)
            self._unfollow(subscription, before - subscription.names)
            self._wildcards = [each for each in self._subscriptions if each.wildcard]
            self.generation += 1
        return subscription

    def _open(self, type_url: str) -> Subscription:
        if len(self._subscriptions) == TYPES_MAX:
            raise LimitExceeded(f"more than {TYPES_MAX} resource types on one stream; served are {_SERVED}")
        opened = Subscription(type_url, whole=self._wire.sends_whole(type_url))
        self._subscriptions = tuple(sorted((*self._subscriptions, opened), key=_push_order))
        self.generation += 1
        return opened

    def changed(self, subject: Hashable, now: float, overtook: Callable[[str], object] = _nobody) -> bool:
        """What is published under `subject` may have changed. Whether `next_response` may have something for that.

        `overtook` is called with the type wherever there was a change that was not sent yet.
        """
        due = False
        for subscription, name in self._followers.get(subject, ()):
            if subscription.changed(name, now):
                overtook(subscription.type_url)
            due = due or subscription.delivery.waiting_since is None
        for subscription in self._wildcards:
            served_as = self._resources.name_of(subscription.type_url, subject)
            if served_as is not None:
                if subscription.changed(served_as, now):
                    overtook(subscription.type_url)
                due = due or subscription.delivery.waiting_since is None
        return due

    @property
    def due(self) -> bool:
        """Whether `next_response` may have something."""
        for subscription in self._subscriptions:  # noqa: SIM110 - `any` takes twice as long, on every push
            if subscription.due:
                return True
        return False

    def next_response(self, now: float) -> tuple[Subscription, bytes] | None:
        """The next response to write, made from the newest state; None: nothing to say.

        First what is new or changed, in the order in which types are pushed; then, in the opposite order, what is gone: what
        refers to others goes before what it refers to (xDS "Eventual consistency considerations").
        """
        gone = False
        for subscription in self._subscriptions:
            if subscription.due:
                if (one := subscription.take_one(self._resources, self.audience)) is not None:
                    name, resource, changed_at = one
                    nonce = format(next(self._nonces), "x")
                    version, data = self._wire.encode_one(subscription.type_url, name, resource, nonce)
                    subscription.delivery.sent(nonce, version, now, changed_at)
                    return subscription, data
                get = partial(self._get, subscription)
                if batch := subscription.take(get, removals=False):
                    return subscription, self._respond(subscription, batch, get, now)
                gone = True
        return self._next_removal(now) if gone else None

    def _next_removal(self, now: float) -> tuple[Subscription, bytes] | None:
        for subscription in reversed(self._subscriptions):
            if subscription.due:
                get = partial(self._get, subscription)
                if batch := subscription.take(get):
                    return subscription, self._respond(subscription, batch, get, now)
        return None

    def _respond(
        self, subscription: Subscription, batch: Batch, get: Callable[[str], Resource | None], now: float
    ) -> bytes:
        nonce = format(next(self._nonces), "x")
        why_missing = partial(self._why_missing, subscription)
        version, data = self._wire.encode(subscription, batch, nonce, get, why_missing)
        subscription.delivery.sent(nonce, version, now, batch.changed_at)
        return data

    def _get(self, subscription: Subscription, name: str) -> Resource | None:
        if name not in subscription.names:
            # Followed through a wildcard only, which stands for each service under one of its names.
            subject = self._resources.subject(subscription.type_url, name, self.audience)
            if subject is None or self._resources.name_of(subscription.type_url, subject) != name:
                return None
        return self._resources.get(subscription.type_url, name, self.audience)

    def _why_missing(self, subscription: Subscription, name: str) -> str:
        if subscription.type_url not in SHORT_NAMES:
            return f"resources of type {subscription.type_url} are not served here; served are {_SERVED}"
        return self._resources.why_missing(name, self.audience)

    def _follow(self, subscription: Subscription, names: Iterable[str]) -> None:
        for name in names:
            if (subject := self._resources.subject(subscription.type_url, name, self.audience)) is not None:
                self._followers.setdefault(subject, {})[subscription, name] = None

    def _unfollow(self, subscription: Subscription, names: Iterable[str]) -> None:
        for name in names:
            subject = self._resources.subject(subscription.type_url, name, self.audience)
            if (followers := self._followers.get(subject)) is not None:
                followers.pop((subscription, name), None)
                if not followers:
                    del self._followers[subject]


def _push_order(subscription: Subscription) -> int:
    type_url = subscription.type_url
    return PUSH_ORDER.index(type_url) if type_url in PUSH_ORDER else len(PUSH_ORDER)
