"""A Kubernetes API server, followed: feeds ▸ inbox ▸ settling ▸ guard, and a folder for a bad day."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from ..kubernetes import Object, Service
from ..progress import Progress
from ..readiness import Readiness
from ..references import ServiceKey
from ..source import Metric
from .access import AccessSource
from .api_client import ApiClient
from .event_sender import EventSender
from .feed import Feed
from .inbox import Inbox
from .kinds import ALWAYS, SERVICES, SLICES, Kind
from .look import Look
from .reflector import News
from .settling import SETTLE_S, Settling
from .state_dir import State, StateDir
from .withdrawal_guard import GuardSettings, WithdrawalGuard

log = structlog.get_logger(__name__)

_RESTORE_AFTER_S = 3.0
"""How long the API server gets to answer before saved state stands in."""
_DOUBT_S = 30.0
"""How often everything may be listed because clients claim to have seen more."""
_CAUGHT_UP_S = 5.0
"""A watch that has been open for so long has told what happened before it was."""
_SAVE_S = 30.0
_SAVE_UNCHANGED_S = 300.0
"""What has not changed is saved too, now and then: that it was true five minutes ago is news."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of the cluster is served."""

    namespaces: tuple[str, ...] = ()
    """Empty: all of them."""
    selector: str = ""
    """Label selector for Services; the controllers copy a Service's labels to its slices."""
    kinds: tuple[Kind, ...] = field(default=ALWAYS)

    def __str__(self) -> str:
        return f"namespaces {','.join(self.namespaces) or 'all'}, selector {self.selector or 'none'}"


class Heard(NamedTuple):
    """What was heard of slices at one moment."""

    reached: int | None
    """Up to which version everything."""
    newest: int
    """The version of the newest change."""
    looked_again: bool
    """Whether everything that there was when somebody doubted it."""


class WatchSource:
    """Follows Services, EndpointSlices, Nodes and maybe Pods. What is known stays while the API server does not answer."""

    def __init__(
        self,
        cluster: str,
        access: AccessSource,
        scope: Scope,
        *,
        user_agent: str = "trimtab",
        guard: GuardSettings | None = None,
        state_dir: StateDir | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`cluster` names the cluster for people, and tells saved state of one from that of another."""
        self._clock = clock
        self._cluster = cluster
        self._scope = scope
        self._client = ApiClient(access, user_agent)
        self._inbox = Inbox()
        self._events = EventSender(self._client, self._service)
        self._state_dir = state_dir
        self._feeds: list[Feed] = []
        self._changed = False
        self._saved_at = self._clock()
        self._saving: asyncio.Task[None] | None = None
        self._look: Look | None = None
        self._doubt: tuple[Look, Callable[[], None]] | None = None
        self._doubted_at = -_DOUBT_S
        self.guard = WithdrawalGuard(guard or GuardSettings())
        self._settling = Settling(self.guard)
        self.readiness = Readiness()
        self._saw_until = time.time()
        self.progress = Progress(self._inbox.wake)
        self.stale_since: float | None = None
        """When what is served was written to disk, in seconds since the epoch; None: it is what the API server says."""

    @property
    def where(self) -> Mapping[str, str]:
        return {"cluster": self._cluster, "scope": str(self._scope)}

    @property
    def waiting_for(self) -> str:
        waiting = [f"{feed.kind.resource}: {feed.problem or 'no answer yet'}" for feed in self._unsettled()]
        return f"the first list of the Kubernetes API is not complete ({'; '.join(waiting) or 'starting'})"

    @property
    def problems(self) -> Iterable[str]:
        for feed in self._feeds:
            if feed.problem is not None:
                yield f"{feed.kind.resource}: {feed.problem}"
            if feed.reflector.unconfirmed:
                yield f"{feed.kind.resource}: from the API server's cache, for it refuses to list what there is now"
        if self._events.problem:
            yield f"events: {self._events.problem}"
        if self.stale_since is not None:
            yield f"saved state stands in for the API server; it is {time.time() - self.stale_since:.0f} s old"
        if held := self.guard.holding:
            yield f"{held} endpoints vanished with too many others, and are kept as draining until a second look"

    @property
    def age_s(self) -> float:
        """Since when the API server was not heard, by the collection that waits longest."""
        return self._clock() - min((feed.heard_at for feed in self._feeds if self._counts(feed)), default=0.0)

    @property
    def connected(self) -> bool:
        """Whether everything that is needed is being heard."""
        return bool(self._feeds) and all(feed.problem is None for feed in self._feeds if self._counts(feed))

    def report(self, problems: Mapping[ServiceKey, str]) -> None:
        """Raise an Event for each."""
        self._events.observe(problems)

    def metrics(self) -> Iterable[Metric]:
        yield (
            "trimtab_kubernetes_age_seconds",
            "Since the API server was last heard; a quiet cluster is heard every one or two minutes.",
            lambda: self.age_s,
        )
        yield "trimtab_kubernetes_connected", "1 while the API server answers.", lambda: self.connected
        yield (
            "trimtab_kubernetes_stale",
            "1 while saved state stands in for the API server.",
            lambda: self.stale_since is not None,
        )
        yield (
            "trimtab_kubernetes_unconfirmed",
            "1 while what is served of any collection is what the API server had in its cache.",
            lambda: self._unconfirmed,
        )
        yield (
            "trimtab_kubernetes_looks_total",
            "How often everything was listed, over all collections.",
            lambda: sum(feed.looks for feed in self._feeds),
        )
        yield (
            "trimtab_held_endpoints",
            "Endpoints that vanished with too many others and are kept until a second look.",
            lambda: self.guard.holding,
        )
        yield "trimtab_withdrawals_held_total", "How often the withdrawal guard stepped in.", lambda: self.guard.trips
        yield (
            "trimtab_kubernetes_events_total",
            "Events raised about policies that are refused, repetitions included.",
            lambda: self._events.raised,
        )

    async def watch(self) -> AsyncGenerator[News, None]:
        """Everything first, as the API server tells it or as it was saved, then every change."""
        saved = None if self._state_dir is None else await asyncio.to_thread(self._state_dir.load, self._key())
        self.readiness.remember({} if saved is None else saved.ready)
        self.readiness.blind_since = self._saw_until = time.time() if saved is None else saved.written_at
        async with self._client:
            self._feeds = list(self._make_feeds(() if saved is None else saved.objects))
            running = [asyncio.create_task(feed.run()) for feed in self._feeds]
            telling = asyncio.create_task(self._events.run())
            for task in running:
                task.add_done_callback(lambda _: self._inbox.wake())
            try:
                first = await self._first(saved, running)
                if self.stale_since is None:
                    self._saw_until = time.time()
                yield first
                self._forget_earlier_life()
                self._advance(self._heard())
                while True:
                    await self._inbox.wait(self._wake_in_s())
                    _raise_failed(running)
                    heard = self._heard()
                    self._look_out()
                    for news in self._next():
                        yield news
                    # Whoever took the news has served them by now.
                    self._advance(heard)
                    self._save_if_due()
            finally:
                for task in (*running, telling):
                    task.cancel()
                if self._saving is not None:
                    # It must not replace what is saved now.
                    await asyncio.wait([self._saving])
                await asyncio.gather(*running, telling, return_exceptions=True)
                if self._changed and self._may_save:
                    self._save(self._state())

    def _make_feeds(self, known: Iterable[Object]) -> Iterable[Feed]:
        known = list(known)
        for kind in self._scope.kinds:
            for namespace in (self._scope.namespaces or ("",)) if kind.namespaced else ("",):
                yield Feed(
                    kind,
                    self._client,
                    self._inbox.put,
                    namespace=namespace,
                    selector=self._scope.selector,
                    clock=self._clock,
                    known=[item for item in known if item.key[0] == kind.name and namespace in ("", item.key[1])],
                )

    async def _first(self, saved: State | None, running: "list[asyncio.Task[None]]") -> News:
        settled = asyncio.ensure_future(_all_settled(self._feeds))
        timeout_s = None if saved is None else _RESTORE_AFTER_S
        try:
            await asyncio.wait({settled, *running}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            _raise_failed(running)
        finally:
            settled.cancel()
        self._inbox.wake()
        if saved is None or not self._unsettled():
            self._inbox.take()
            self._changed = True
            return self._pass(News(tuple(self.known())))
        self.stale_since = saved.written_at
        log.warning("serving saved state", age_s=round(time.time() - saved.written_at), why=self.waiting_for)
        return self._pass(News(tuple(saved.objects)))

    def _next(self) -> Iterator[News]:
        """What there is to tell now."""
        # Before anything is told: a look that ends meanwhile finds what nobody has taken in yet.
        looked = self._look is not None and self._look.done
        news = self._settling.take(self._inbox.take(), self._clock(), hears=self._hears_slices())
        if news.upserts or news.deletes:
            self._changed = True
            yield self._pass(news)
        if self.stale_since is not None and not self._unsettled() and not self._settling:
            log.info("saved state is replaced by what the API server says")
            self.stale_since = None
            self._forget_earlier_life()
        if (confirmed := self._second_look(looked=looked)) is not None:
            yield confirmed

    def _heard(self) -> Heard:
        """What waits to be told now."""
        slices = [feed.reflector for feed in self._feeds if feed.kind is SLICES]
        reached = [reflector.reached for reflector in slices]
        numbers = [version for version in reached if version is not None]
        return Heard(
            min(numbers) if len(numbers) == len(reached) else None,
            max(reflector.newest for reflector in slices),
            looked_again=self._doubt is not None and self._doubt[0].done,
        )

    def _advance(self, heard: Heard) -> None:
        """All that was heard until then is served, unless some of it waits for what follows; and look for those who doubt it."""
        if not self._settling:
            self.progress.advance(heard.reached, heard.newest)
        if self._doubt is not None:
            if heard.looked_again and not self._settling:
                (_, looked), self._doubt = self._doubt, None
                looked()
        elif self.progress.doubted and self._clock() - self._doubted_at >= _DOUBT_S:
            log.info("a client has seen what this replica has not heard of, listing everything")
            self._doubted_at = self._clock()
            self._doubt = Look(feed for feed in self._feeds if feed.kind is SLICES), self.progress.looking()

    def _forget_earlier_life(self) -> None:
        """Once the API server has said what there is, what counts is what was seen of it."""
        if self.stale_since is None:
            self.readiness.remember({})

    def _hears_slices(self, for_s: float = SETTLE_S) -> bool:
        """Whether whatever happened to slices until a moment ago has been heard."""
        a_moment_ago = self._clock() - for_s
        slices = (feed for feed in self._feeds if feed.kind is SLICES)
        return all(feed.open_since is not None and feed.open_since <= a_moment_ago for feed in slices)

    def _look_out(self) -> None:
        """Note whether what is new came just now, and otherwise since when it may have come."""
        sees = self._hears_slices(_CAUGHT_UP_S)
        if sees:
            heard_at = min(feed.heard_at for feed in self._feeds if feed.kind is SLICES)
            self._saw_until = time.time() - (self._clock() - heard_at)
        self.readiness.blind_since = None if sees else self._saw_until

    def _pass(self, news: News) -> News:
        trips = self.guard.trips
        upserts, deletes = self.guard.take(news.upserts, news.deletes, self._clock())
        if self.guard.trips > trips:
            log.error(
                "most endpoints of most services vanished at once; they are kept for a second look",
                endpoints=self.guard.holding,
                services=len(list(self.guard.held_services)),
            )
        return News(tuple(upserts), tuple(deletes))

    def _second_look(self, *, looked: bool) -> News | None:
        """Have everything listed again when it is time to, and believe it when that is done."""
        due_in_s = self.guard.second_look_in_s(self._clock())
        if due_in_s is None or due_in_s > 0 or self._settling:
            return None
        if self._look is None:
            self._look = Look(feed for feed in self._feeds if feed.kind in (SERVICES, SLICES))
        if not looked:
            return None
        self._look = None
        log.warning("the second look is complete, what is gone is withdrawn", endpoints=self.guard.holding)
        upserts, deletes = self.guard.release()
        return News(tuple(upserts), tuple(deletes))

    def _wake_in_s(self) -> float:
        if self._settling:
            return SETTLE_S
        due_in_s = self.guard.second_look_in_s(self._clock())
        wake_in_s = _SAVE_S if due_in_s is None or self._look is not None else min(due_in_s, _SAVE_S)
        if self.progress.doubted and self._doubt is None:
            wake_in_s = min(wake_in_s, max(0.0, self._doubted_at + _DOUBT_S - self._clock()))
        return wake_in_s

    def known(self) -> Iterable[Object]:
        """Every object as the API server last told it, held back or not."""
        return (item for feed in self._feeds for item in feed.reflector.objects.values())

    def _service(self, key: ServiceKey) -> Service | None:
        found = (feed.reflector.objects.get(("Service", *key)) for feed in self._feeds if feed.kind is SERVICES)
        return next((item for item in found if isinstance(item, Service)), None)

    def _unsettled(self) -> list[Feed]:
        return [feed for feed in self._feeds if not feed.settled.is_set()]

    @property
    def _unconfirmed(self) -> bool:
        return any(feed.reflector.unconfirmed for feed in self._feeds)

    def _counts(self, feed: Feed) -> bool:
        """Whether it matters that a feed hears nothing: not if it is not permitted to, and not needed."""
        return not (feed.kind.without and feed.settled.is_set() and not feed.reflector.synced)

    def _key(self) -> str:
        return f"{self._cluster} ({self._scope})"

    def _state(self) -> State:
        return State(self._key(), time.time() - self.age_s, list(self.known()), self.readiness.young())

    @property
    def _may_save(self) -> bool:
        # Old state must not get a new date, and what a cache had may be older than it looks.
        heard = self.stale_since is None and not self._unsettled() and not self._unconfirmed
        return self._state_dir is not None and heard

    def _save_if_due(self) -> None:
        """In a thread, and nobody waits for it: a disk that hangs holds up no news."""
        if self._saving is not None:
            if not self._saving.done():
                return
            saving, self._saving = self._saving, None
            saving.result()
        due_after_s = _SAVE_S if self._changed else _SAVE_UNCHANGED_S
        if self._may_save and self.connected and self._clock() - self._saved_at >= due_after_s:
            self._saved_at, self._changed = self._clock(), False
            self._saving = asyncio.create_task(asyncio.to_thread(self._save, self._state()))

    def _save(self, state: State) -> None:
        assert self._state_dir is not None
        try:
            self._state_dir.save(state)
        except OSError as error:
            log.warning("state cannot be saved", why=error.strerror or str(error))


async def _all_settled(feeds: Iterable[Feed]) -> None:
    for feed in feeds:
        await feed.settled.wait()


def _raise_failed(tasks: "Iterable[asyncio.Task[None]]") -> None:
    for task in tasks:
        if task.done():
            task.result()
