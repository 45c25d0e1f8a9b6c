"""One collection of the Kubernetes API, mirrored: what to ask next, and what follows from the answer. No I/O, no clock.

First a look at everything, then a watch from there on. The look is a stream of its own where the server can do that
(WatchList, KEP-3157), else a list in pages. Losing the thread (410) means another look, and its difference from what was known,
deletions included; what is known is never cleared.

A server that was restored from a backup accepts a watch from a version that it has yet to reach, and then says nothing, bookmarks
included (apiserver `storage/cacher`). So a watch that was silent to its end is followed by a probe: where is the server? Likewise
a few of them in a row that ended before their time or broke off: load balancers cut what is silent.

An overloaded server may refuse every such look for as long as it lasts. A replica that knows nothing at all is then given what the
server has in its cache: a list that may lag, from which only what is there is believed, and a watch from its version on. Nothing is
confirmed by that: after each watch a look is asked for again, and what it finds replaces what the cache said.

Resource versions are handed back as they came. They are compared in one place only, to tell an old event from a new one,
and only where both are decimal numbers, which since Kubernetes 1.35 is promised (KEP-5504).
"""

import enum
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...xds.backoff import Backoff
from ..kubernetes import Object, ObjectKey
from .messages import Bookmark, Delete, Event, Failure, Page, Unusable, Upsert

_WATCH_S = (60, 120)
"""For how long the server keeps a watch open, drawn anew each time: replicas must not all come back at once."""
_BRIEF_S = 5.0
"""A watch that the server ends earlier than this without having said anything is not a good sign."""
_PATIENCE = 3
"""After how many refusals in a row to start over with a look at everything, or to look in the other way."""
_NOT_ABOUT_THE_REQUEST = frozenset({401, 403, 429, 503})
"""HTTP statuses that say nothing about the resource version or page that was asked for."""
_OVERLOADED = frozenset({429, 500, 503, 504})
"""HTTP statuses of a server that would answer if it could: too busy, or its storage does not answer."""
_CACHE_AFTER = 8
"""After how many such refusals in a row who knows nothing takes what a cache has."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The next request: its query, and whether the answer is a stream."""

    query: Mapping[str, str]
    stream: bool
    timeout_s: float = 30.0
    """For how long the server may keep the answer open."""


@dataclass(frozen=True, slots=True)
class News:
    """What changed. `complete`: it follows from a look at everything."""

    upserts: tuple[Object, ...] = ()
    deletes: tuple[ObjectKey, ...] = ()
    complete: bool = False


class _Phase(enum.Enum):
    LOOK_AT_STREAM = "WatchList"
    LOOK_AT_PAGES = "List"
    LOOK_AT_CACHE = "List from cache"
    FOLLOW = "Watch"
    PROBE = "Probe"


class Reflector:
    """The state of one mirrored collection."""

    def __init__(self, rng: random.Random, page_size: int, known: Iterable[Object] = ()) -> None:
        """`known` is what an earlier life knew: the first look then tells the difference from it."""
        self._rng = rng
        self._page_size = page_size
        self._backoff = Backoff(rng)
        self._can_stream = True
        self._phase = _Phase.LOOK_AT_STREAM
        self._version = ""
        self._more = ""
        self._looking: dict[ObjectKey, Object] = {}
        self._unreadable: set[ObjectKey] = set()
        self._refusals = 0
        self._overloads = 0
        self._silent = 0
        """Watches in a row that said nothing."""
        self._lost = False
        """There is no version from which on a watch would tell what follows."""
        self._unauthorized = False
        self._progress = False
        self.objects: dict[ObjectKey, Object] = {item.key: item for item in known}
        self._blank = not self.objects
        self.synced = False
        """Whether everything was looked at once."""
        self.unconfirmed = False
        """What is known is what a cache had, and what happened since."""
        self.newest = max(map(_age, self.objects.values()), default=0)
        """The version of the newest change that is known; 0: none is, or versions are no numbers."""

    @property
    def reached(self) -> int | None:
        """Up to which version all is known; None: it is no number."""
        return _number(self._version or "0")

    @property
    def following(self) -> bool:
        """Whether a watch, once open, tells what changes and not first what there is."""
        return self._phase is _Phase.FOLLOW

    def __repr__(self) -> str:
        return f"<Reflector {self._phase.value} at {self._version or 'the start'}, {len(self.objects)} objects>"

    def ask(self) -> Ask:
        """The next request to make."""
        self._progress = False
        if self._phase is _Phase.LOOK_AT_PAGES:
            # Without a resource version: the newest state, not what some cache has.
            page = {"limit": str(self._page_size)}
            return Ask(page | {"continue": self._more} if self._more else page, stream=False)
        if self._phase is _Phase.LOOK_AT_CACHE:
            return Ask({"resourceVersion": "0", "resourceVersionMatch": "NotOlderThan"}, stream=False)
        if self._phase is _Phase.PROBE:
            return Ask({"limit": "1"}, stream=False)
        timeout_s = self._rng.randint(*_WATCH_S)
        query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(timeout_s)}
        if self._phase is _Phase.LOOK_AT_STREAM:
            self._looking, self._unreadable = {}, set()
            query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        else:
            query["resourceVersion"] = self._version
        return Ask(query, stream=True, timeout_s=timeout_s)

    def page(self, page: Page) -> News | None:
        """A page of a list has come; what changed, once it was the last."""
        if self._phase is _Phase.PROBE:
            # Delays go on growing: it says nothing of whether the next watch will be any better.
            self._phase, self._unauthorized = _Phase.FOLLOW, False
            if _older(page.resource_version, self._version):
                self._start_over()
            return None
        self._answered()
        if self._phase is _Phase.LOOK_AT_CACHE:
            return self._take_from_cache(page)
        self._looking.update((item.key, item) for item in page.items)
        self._unreadable |= {unusable.key for unusable in page.unusable if unusable.key is not None}
        self._more = page.more
        return None if page.more else self._complete(page.resource_version)

    def events(self, events: Iterable[Event]) -> News | None:
        """Some lines of a stream have come; what changed, if anything did."""
        changed: dict[ObjectKey, Object | None] = {}
        news: News | None = None
        for event in events:
            self._answered()
            if self._phase is not _Phase.LOOK_AT_STREAM:
                self._follow(event, changed)
            elif isinstance(event, Upsert):
                self._looking[event.item.key] = event.item
            elif isinstance(event, Delete):
                self._looking.pop(event.key, None)
                self._unreadable.discard(event.key)
            elif isinstance(event, Unusable) and event.key is not None:
                self._unreadable.add(event.key)
            elif isinstance(event, Bookmark) and event.initial_events_end:
                news = self._complete(event.resource_version)
        return _together(news, changed) if news or changed else None

    def ended(self, lasted_s: float) -> float:
        """The stream ended as streams do. How long to wait before the next request, in seconds."""
        if self._phase is _Phase.LOOK_AT_STREAM and lasted_s >= _WATCH_S[0]:
            # The server kept its time and never said that this was everything: it cannot do it.
            self._can_stream = False
            self.look_again()
        else:
            self._note_silence(enough=lasted_s >= _WATCH_S[0])
        self._seek_confirmation()
        if self._progress or lasted_s >= _BRIEF_S:
            self._backoff.reset()
            return 0.0
        return self._backoff.next_s()

    def failed(self, failure: Failure) -> float:
        """The request failed, or its stream broke off. How long to wait before the next one, in seconds."""
        if self._phase is _Phase.PROBE:
            self._phase = _Phase.FOLLOW
        if failure.status is None:
            self._note_silence()
        if self._phase is _Phase.LOOK_AT_STREAM and failure.status in (400, 422):
            self._can_stream = False
            self.look_again()
            return 0.0
        if failure.status is not None and failure.status not in _NOT_ABOUT_THE_REQUEST:
            self._refusals += 1
        if failure.expired or self._refusals >= _PATIENCE:
            self._lost = self._lost or self._phase is _Phase.FOLLOW
            self._start_over()
        self._make_do(failure)
        if failure.status == 401 and not self._unauthorized:
            # The token may just have been renewed: the client reads it again at once.
            self._unauthorized = True
            return 0.0
        return max(self._backoff.next_s(), failure.retry_after_s)

    def look_again(self) -> None:
        """Forget the watch and list everything, consistently: pages without a resource version, not what a cache has."""
        self._phase, self._more, self._refusals = _Phase.LOOK_AT_PAGES, "", 0
        self._looking, self._unreadable = {}, set()

    def _make_do(self, failure: Failure) -> None:
        """Where a look is refused: go on with what is known, or take what a cache has, if nothing is."""
        if self._phase is _Phase.FOLLOW:
            self._seek_confirmation()
        elif self._phase is _Phase.LOOK_AT_CACHE:
            self.look_again()
        elif failure.status in _OVERLOADED and not self.synced and self._blank:
            self._overloads += 1
            if self.unconfirmed and not self._lost:
                self._phase = _Phase.FOLLOW
            elif self._overloads >= _CACHE_AFTER:
                self._phase = _Phase.LOOK_AT_CACHE

    def _seek_confirmation(self) -> None:
        if self.unconfirmed and self._phase in (_Phase.FOLLOW, _Phase.PROBE):
            self._phase = _Phase.FOLLOW
            self._start_over()

    def _take_from_cache(self, page: Page) -> News | None:
        """What is there is believed, unless something newer is known; what is not there may only not have arrived yet."""
        if not _number(page.resource_version) or _older(page.resource_version, self._version):
            # A cache that was not filled yet, or less than was seen already.
            self.look_again()
            return None
        found = sorted(page.items, key=_age)
        upserts = tuple(item for item in found if self._is_news(item))
        for item in upserts:
            self.objects.pop(item.key, None)
            self.objects[item.key] = item
        self.newest = max(self.newest, *map(_age, upserts), 0)
        self._phase, self._version, self._lost, self.unconfirmed = _Phase.FOLLOW, page.resource_version, False, True
        return News(upserts)

    def _is_news(self, item: Object) -> bool:
        known = self.objects.get(item.key)
        return known is None or (_differs(item, known) and _age(item) >= _age(known))

    def _note_silence(self, *, enough: bool = False) -> None:
        """A request is over. If it was a watch that said nothing, `enough` by itself or one of several, ask where the server is."""
        if self._phase is _Phase.FOLLOW and not self._progress and not self.unconfirmed:
            self._silent += 1
            if enough or self._silent >= _PATIENCE:
                self._phase, self._silent = _Phase.PROBE, 0

    def _start_over(self) -> None:
        if self._phase is _Phase.FOLLOW and self._can_stream:
            self._phase, self._refusals = _Phase.LOOK_AT_STREAM, 0
        elif self._phase is not _Phase.LOOK_AT_STREAM or self._refusals >= _PATIENCE:
            # A cache that does not catch up refuses every stream and no list (KEP-3157; client-go falls back likewise).
            self.look_again()

    def _answered(self) -> None:
        self._progress, self._unauthorized = True, False
        self._refusals = self._overloads = self._silent = 0
        self._backoff.reset()

    def _complete(self, version: str) -> News:
        """Everything was seen: the difference from what was known. In the order of change, as a watch would have told it."""
        # What is there and cannot be read stays as it was known.
        for key in self._unreadable & self.objects.keys():
            self._looking.setdefault(key, self.objects[key])
        found = dict(sorted(self._looking.items(), key=lambda entry: _age(entry[1])))
        # A server that went back in time, restored from a backup, uses its versions again for other things.
        known = {} if _older(version, self._version) else self.objects
        upserts = tuple(item for key, item in found.items() if _differs(item, known.get(key)))
        deletes = tuple(key for key in self.objects if key not in found)
        before = 0 if _older(version, self._version) else self.newest
        # When what is gone went is not known, only that it was by now.
        self.newest = max(before, *map(_age, found.values()), (_number(version) or 0) if deletes else 0, 0)
        self.objects, self._looking, self._unreadable = found, {}, set()
        self._phase, self._version, self.synced, self.unconfirmed = _Phase.FOLLOW, version, True, False
        return News(upserts, deletes, complete=True)

    def _follow(self, event: Event, changed: dict[ObjectKey, Object | None]) -> None:
        if isinstance(event, Upsert):
            key, version = event.item.key, event.item.metadata.resource_version
        elif isinstance(event, Delete):
            key, version = event.key, event.resource_version
        else:
            self._advance(event.resource_version)
            return
        if _older(version, self._version):
            # A replay: whoever sends it has not seen yet what was already seen here.
            return
        if isinstance(event, Upsert) and not _differs(event.item, self.objects.get(key)):
            return
        self._advance(version)
        self.newest = max(self.newest, _number(version) or 0)
        # Last in the order: the newest word counts where slices disagree.
        self.objects.pop(key, None)
        changed.pop(key, None)
        if isinstance(event, Upsert):
            self.objects[key] = event.item
        changed[key] = event.item if isinstance(event, Upsert) else None

    def _advance(self, version: str) -> None:
        if version and not _older(version, self._version):
            self._version = version


def _number(version: str) -> int | None:
    return int(version) if version.isdecimal() else None


def _older(version: str, than: str) -> bool:
    mine, theirs = _number(version), _number(than)
    return mine is not None and theirs is not None and mine < theirs


def _age(item: Object) -> int:
    return _number(item.metadata.resource_version) or 0


def _differs(item: Object, known: Object | None) -> bool:
    if known is None:
        return True
    mine, theirs = item.metadata, known.metadata
    return not mine.resource_version or (mine.resource_version, mine.uid) != (theirs.resource_version, theirs.uid)


def _together(first: News | None, then: Mapping[ObjectKey, Object | None]) -> News:
    """What a look found and what happened right after it, as one."""
    first = first or News()
    upserts = [item for item in first.upserts if item.key not in then]
    upserts.extend(item for item in then.values() if item is not None)
    deletes = dict.fromkeys(key for key in first.deletes if key not in then)
    deletes |= dict.fromkeys(key for key, item in then.items() if item is None)
    return News(tuple(upserts), tuple(deletes), first.complete)
