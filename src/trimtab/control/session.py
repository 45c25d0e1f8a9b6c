"""One connected client: its stream, what it follows in the store, and how it keeps up."""

import time
from collections import Counter
from collections.abc import Callable, Hashable

import structlog

from ..xds.identifier import SEEN, encode_identifier
from ..xds.resource_type import ENDPOINTS, SEATS, SHORT_NAMES
from ..xds.seat import HELD_KEY, decode_held
from ..xds.server_stream import ServerStream, Wire
from ..xds.sotw import StateOfTheWorld
from ..xds.subscription import Subscription
from .allowance import Allowance
from .census import Census
from .metrics import Metrics
from .resource_store import ResourceStore
from .tallies import short_name

log = structlog.get_logger(__name__)

_VERSION_DIGITS = 20
"""A resource version has no more: it is a number of 64 bits."""
_TEXT_LOGGED = 1000
"""How much of what a client says is logged, in characters."""


def nobody() -> None:
    """Nobody carries what this session says; it waits to be asked."""


class Session:
    """Joins the sans-IO stream to the store. Everything happens in the event loop."""

    __slots__ = (
        "_allowance",
        "_census",
        "_counted",
        "_generation",
        "_meanings",
        "_meant",
        "_metrics",
        "_moved",
        "_named",
        "_says_more",
        "_seated",
        "_store",
        "_taken",
        "_types",
        "_watched",
        "_watches_all",
        "opened_at",
        "peer",
        "stream",
        "wake",
    )

    def __init__(
        self,
        peer: str,
        wire: Wire,
        store: ResourceStore,
        census: Census,
        metrics: Metrics,
        *,
        only: str | None,
        allowance: Allowance | None = None,
    ) -> None:
        """`allowance` is that of the connection it is on; None: it has one of its own."""
        self.peer = peer
        self.opened_at = time.monotonic()
        self.stream = ServerStream(wire, store, only=only)
        self.wake: Callable[[], object] = nobody
        """Called when there may be something to say."""
        self._says_more = isinstance(wire, StateOfTheWorld)
        self._store = store
        self._allowance = allowance or Allowance()
        self._taken = (0, 0)
        """Names and characters of them."""
        self._census = census
        self._metrics = metrics
        self._watched: set[Hashable] = set()
        self._watches_all: frozenset[str] = frozenset()
        self._generation = self._types = 0
        self._meant: dict[str, str] = {}
        """Services by the names they were asked for by, as far as they are served."""
        self._named: frozenset[str] = frozenset()
        self._meanings = store.meanings
        """What names meant when they were last looked at, and which those were."""
        self._moved: set[Hashable] = set()
        """What changed since, as far as it may mean another service port now, or none."""
        self._counted: Counter[str] = Counter()
        self._seated: dict[str, str] = {}
        """Services by the names under which their seats were asked for."""

    def receive(self, data: bytes) -> None:
        """Take in a request. Raises ProtocolError."""
        now, stream = time.monotonic(), self.stream
        subscription = stream.receive(data, now)
        if self._generation != stream.generation:
            self._note_types(subscription)
            self._take(
                sum(len(each.names) for each in stream.subscriptions),
                sum(each.size for each in stream.subscriptions),
            )
            self._follow()
        if subscription.type_url == ENDPOINTS:
            # An ACK names thousands of services that were counted long ago.
            if subscription.names is not self._named or self._meanings != self._store.meanings:
                self._count(subscription)
        elif subscription.type_url == SEATS:
            self._seat(subscription)
        if subscription.delivery.took_s is not None:
            self._note_answer(subscription, now)
        # An ACK alone asks for nothing.
        if subscription.due:
            self.wake()

    async def caught_up(self) -> None:
        """Return once all is served that this client has seen, wherever it has."""
        seen = self.stream.node.metadata.get(SEEN, "")
        if not seen.isdecimal() or len(seen) > _VERSION_DIGITS or self._store.progress.has_reached(int(seen)):
            return
        log.info("a client has seen more than is known here, it keeps what it has", node=self.stream.node.id, seen=seen)
        await self._store.progress.reach(int(seen))

    def next_response(self) -> bytes | None:
        """The next response to write; None: nothing to say until `wake` is called again."""
        response = self.stream.next_response(time.monotonic())
        if response is None:
            return None
        subscription, data = response
        self._metrics.pushes.add(subscription.type_url)
        # Only our own clients ask for this, and they speak state of the world.
        if subscription.type_url != ENDPOINTS or not self._says_more:
            return data
        return data + encode_identifier(time.time(), self.stream.audience.zone, self._store.progress.newest)

    def close(self) -> None:
        """The stream is gone, and with it all it wanted."""
        for subject in self._watched:
            self._store.unwatch(subject, self._changed)
        for type_url in self._watches_all:
            self._store.unwatch_all(type_url, self._changed)
        for service in self._counted:
            self._recount(service, joined=False)
        for service in self._seated.values():
            self._store.leave_seat(service, self.stream.audience)
        self._take(0, 0)
        self._seated = {}
        self._watched, self._meant, self._counted = set(), {}, Counter()

    def _changed(self, subject: Hashable) -> None:
        if self._meanings != self._store.meanings:
            self._moved.add(subject)
        # While an answer is outstanding the change waits for it.
        if self.stream.changed(subject, time.monotonic(), self._metrics.coalesced.add):
            self.wake()

    def _note_types(self, subscription: Subscription) -> None:
        types, self._types = self._types, len(self.stream.subscriptions)
        if types != self._types and subscription.type_url not in SHORT_NAMES:
            asked = subscription.type_url[:_TEXT_LOGGED]
            log.warning(
                "a client asks for a type that is not served", node=self.stream.node.id, peer=self.peer, type=asked
            )

    def _take(self, names: int, size: int) -> None:
        names_before, size_before = self._taken
        self._taken = (names, size)
        self._allowance.take(names - names_before, size - size_before)

    def _follow(self) -> None:
        self._generation = self.stream.generation
        wanted = set(self.stream.subjects)
        for subject in wanted - self._watched:
            self._store.watch(subject, self._changed)
        for subject in self._watched - wanted:
            self._store.unwatch(subject, self._changed)
        self._watched = wanted
        wildcards = self.stream.wildcards
        for type_url in wildcards - self._watches_all:
            self._store.watch_all(type_url, self._changed)
        for type_url in self._watches_all - wildcards:
            self._store.unwatch_all(type_url, self._changed)
        self._watches_all = wildcards

    def _count(self, subscription: Subscription) -> None:
        """A client counts once in the census of every service whose endpoints it follows.

        Only names that were not counted, or whose meaning changed, are looked at.
        """
        self._named, self._meanings = subscription.names, self._store.meanings
        moved, self._moved = self._moved, set()
        again = (name for subject in moved for name in self.stream.names_of(subject, ENDPOINTS))
        for name in (subscription.names - self._meant.keys()).union(again):
            ref = self._store.canonical(name, self.stream.audience)
            self._means(name, None if ref is None else str(ref))
        for name in self._meant.keys() - subscription.names:
            self._means(name, None)

    def _means(self, name: str, service: str | None) -> None:
        before = self._meant.pop(name, None)
        if service is not None:
            self._meant[name] = service
        if service == before:
            return
        if service is not None:
            self._counted[service] += 1
            if self._counted[service] == 1:
                self._recount(service, joined=True)
        if before is not None:
            self._counted[before] -= 1
            if not self._counted[before]:
                del self._counted[before]
                self._recount(before, joined=False)

    def _recount(self, service: str, *, joined: bool) -> None:
        change = self._census.joined if joined else self._census.left
        self._store.recounted(service, shares_changed=change(service, self.stream.audience.zone))

    def _seat(self, subscription: Subscription) -> None:
        audience, held = self.stream.audience, decode_held(self.stream.node.metadata.get(HELD_KEY, ""))
        for name in subscription.names - self._seated.keys():
            if (ref := self._store.canonical(name, audience)) is not None:
                self._seated[name] = str(ref)
                self._store.take_seat(str(ref), audience, held.get(name))
        for name in self._seated.keys() - subscription.names:
            self._store.leave_seat(self._seated.pop(name), audience)

    def _note_answer(self, subscription: Subscription, now: float) -> None:
        delivery = subscription.delivery
        self._metrics.push_time.add(delivery.took_s or 0.0)
        delivery.took_s = None
        changed_at, delivery.changed_at = delivery.changed_at, None
        if delivery.refused is not None and delivery.refused_at == now:
            self._metrics.nacks.add(subscription.type_url)
            why = delivery.refused[:_TEXT_LOGGED]
            node = self.stream.node.id
            kind = short_name(subscription.type_url)
            log.warning("a client refused what it was sent", node=node, peer=self.peer, type=kind, why=why)
        elif changed_at is not None:
            self._metrics.propagation.add(subscription.type_url, now - changed_at)
