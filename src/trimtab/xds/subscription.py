"""What one client has asked for of one type, what it was told, and what it is still owed.

Both wire dialects, state of the world and incremental, work on this one model. Pending work is a set of names, never a queue of
responses: a response is made when the transport is ready for it, from the newest state.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from ..errors import LimitExceeded
from .delivery import Delivery
from .resource import Audience, Resource, Resources
from .resource_type import WILDCARD

_ABSENT = ""
"""The version a client holds of what it was told does not exist."""


NAMES_MAX = 50_000
"""How many names one subscription may hold: a cluster has at most 10,000 services as Kubernetes is tested, with a few ports each."""
NAMES_SIZE_MAX = 16 << 20
"""How many characters they may have together: a request may hold names of a megabyte, and one stream must not fill memory."""
_GIVEN_UP_KEPT = 1_000
"""So that a client that answers nothing cannot fill memory by changing its mind."""


@dataclass(slots=True)
class Batch:
    """What one response is to say."""

    resources: dict[str, Resource]
    removed: list[str]
    """Resources the client holds that exist no more."""
    missing: list[str]
    """Names it asked for that mean nothing, or not yet."""
    expected: bool = False
    """The client waits for an answer even if there is nothing to tell."""
    changed_at: float | None = None
    """When the oldest change was taken in that this tells of; None: it only answers what was asked."""

    def __bool__(self) -> bool:
        return bool(self.resources or self.removed or self.missing or self.expected)


class Subscription:
    """The names of one type that one stream follows."""

    __slots__ = (
        "_changed",
        "_expected",
        "_given_up",
        "_held",
        "_owed",
        "_put_off",
        "_size",
        "_whole",
        "changed_at",
        "delivery",
        "ever_named",
        "names",
        "repeated",
        "started",
        "type_url",
        "wildcard",
    )

    def __init__(self, type_url: str, *, whole: bool = False) -> None:
        """`whole`: every response holds all that is followed."""
        self.type_url = type_url
        self._whole = whole
        self.names: frozenset[str] = frozenset()
        """Replaced, never changed, so that an ACK of thousands of names costs no copy of them."""
        self._size = 0
        """Characters of all names."""
        self.wildcard = False
        self.started = False
        """Whether a request for this type was taken in."""
        self.delivery = Delivery()
        self.ever_named = False
        """Whether a name was ever asked for, be it `*`: from then on, to name nothing means to follow nothing."""
        self._held: dict[str, str] = {}
        # Dictionaries for their order: what was asked for first is answered first.
        self._owed: dict[str, None] = {}
        self._changed: dict[str, None] = {}
        self.changed_at: float | None = None
        """When the oldest change was taken in that was not sent yet; None: there is none."""
        self._given_up: dict[str, str] = {}
        """What the client stopped following since the newest response was sent: it may arrive yet."""
        self._put_off = False
        """Whether it waits already to be told what is gone."""
        self._expected = False
        self.repeated: bytes | None = None
        """The part of an encoded request that asks for just what is followed now; None: no request was so plain."""

    def follows(self, name: str) -> bool:
        """Whether the client wants to know about `name`."""
        return self.wildcard or name in self.names

    @property
    def held(self) -> dict[str, str]:
        """Versions by name, as last sent."""
        return {name: version for name, version in self._held.items() if version != _ABSENT}

    @property
    def size(self) -> int:
        """Characters of all names."""
        return self._size

    def subscribe(self, names: Iterable[str], everything: Iterable[str] = ()) -> None:
        """Follow `names`. Each is owed an answer, even if it was asked for and sent before.

        `everything` are the names a wildcard stands for. Raises LimitExceeded.
        """
        named = dict.fromkeys(names)
        if len(self.names) + len(named) > NAMES_MAX and len(self.names.union(named)) > NAMES_MAX:
            raise LimitExceeded(
                f"more than {NAMES_MAX} names of {self.type_url} on one stream; ask for everything (`*`), or on several streams"
            )
        if WILDCARD in named:
            del named[WILDCARD]
            self.wildcard = self._expected = True
            self._owed.update(dict.fromkeys(everything))
            self._recall()
        if named:
            self._size += sum(map(len, named.keys() - self.names))
            if self._size > NAMES_SIZE_MAX:
                raise LimitExceeded(
                    f"names of {self.type_url} with more than {NAMES_SIZE_MAX} characters on one stream"
                )
            self.names = self.names.union(named)
            self._owed.update(named)

    def unsubscribe(self, names: Collection[str]) -> None:
        """Stop following `names`; names that were never followed are ignored."""
        if WILDCARD in names:
            self._drop_wildcard()
        dropped = [name for name in names if name in self.names]
        self.names = self.names.difference(dropped)
        self._size -= sum(map(len, dict.fromkeys(dropped)))
        for name in dropped:
            # Where a wildcard stays, the client must be told what it still gets (xDS, "Unsubscribing").
            if self.wildcard:
                self._owed[name] = None
            else:
                self._forget(name)

    def replace(self, names: Iterable[str], everything: Iterable[str]) -> None:
        """State of the world: follow exactly `names`. Those that are new are owed an answer."""
        wanted = dict.fromkeys(names)
        following = self.names | {WILDCARD} if self.wildcard else self.names
        if wanted.keys() == following:
            return
        self.unsubscribe([name for name in following if name not in wanted])
        self.subscribe([name for name in wanted if name not in following], everything)

    def owe_again(self) -> None:
        """Everything followed is to be sent once more."""
        self._owed.update(dict.fromkeys((*self.names, *self._held)))

    def expect(self) -> None:
        """The client waits for an answer, even if there is nothing to tell."""
        self._expected = True

    def assume_held(self, versions: Iterable[tuple[str, str]]) -> None:
        """After a reconnect: the client says what it still holds, so only differences are owed."""
        for name, version in versions:
            if self.follows(name):
                self._held[name] = version
                self._owed.pop(name, None)
                self._changed[name] = None

    def changed(self, name: str, now: float) -> bool:
        """The resource called `name`, which is followed, may have changed. True: it had before, and that was not sent yet."""
        overtaken = name in self._changed
        self._changed[name] = None
        if self.changed_at is None:
            self.changed_at = now
        return overtaken

    @property
    def due(self) -> bool:
        """Whether a response may be worth making now.

        What was asked for is answered at once. What merely changed waits for the answer to the response before, so that
        a burst of changes becomes one response with the newest state, and a client that does not read costs a set of names.
        """
        return bool(self._owed or self._expected or (self._changed and self.delivery.waiting_since is None))

    def take(self, get: Callable[[str], Resource | None], *, removals: bool = True) -> Batch:
        """All that is due, from the newest state. From here on it counts as sent; the batch may be empty.

        Without `removals`, what is gone stays due: nothing may be taken away before what takes its place is there. Only an
        answer is complete in any case, and a response that holds everything cannot but leave out what is gone.
        """
        owed, self._owed = self._owed, {}
        changed, self._changed = self._changed, {}
        batch = Batch({}, [], [], self._expected, self.changed_at)
        removals = removals or bool(owed) or self._expected
        self._expected, self.changed_at = False, None
        gone: list[str] = []
        for name in owed | changed if owed else changed:
            if name in self.names or self.wildcard:
                if (resource := get(name)) is None and not removals and self._held.get(name):
                    gone.append(name)
                else:
                    self._take(name, resource, name in owed, batch)
        # Put off once, not for as long as other resources keep changing.
        put_off = bool(gone) and not (batch.resources and (self._whole or self._put_off))
        if put_off:
            self._changed, self.changed_at = dict.fromkeys(gone), batch.changed_at
        else:
            for name in gone:
                self._take(name, None, False, batch)
        self._put_off = put_off
        return batch

    def take_one(self, resources: Resources, audience: Audience) -> tuple[str, Resource, float | None] | None:
        """What `take` would say, at a fraction of the price, if that is one resource that changed, as it mostly is.

        Its name, itself, and when the oldest change was taken in that it tells of. None: ask `take`.
        """
        if self._whole or self._owed or self._expected or len(self._changed) != 1:
            return None
        (name,) = self._changed
        if name not in self.names:
            return None
        resource = resources.get(self.type_url, name, audience)
        if resource is None or resource.version == self._held.get(name):
            return None
        self._changed = {}
        self._held[name] = resource.version
        self._put_off = False
        changed_at, self.changed_at = self.changed_at, None
        return name, resource, changed_at

    def _take(self, name: str, resource: Resource | None, owed: bool, batch: Batch) -> None:
        held = self._held.get(name)
        if resource is not None:
            if owed or held != resource.version:
                batch.resources[name] = resource
                self._held[name] = resource.version
            return
        if held:
            batch.removed.append(name)
        elif name in self.names and (owed or held is None):
            batch.missing.append(name)
        self._held.pop(name, None)
        if name in self.names:
            self._held[name] = _ABSENT

    def _drop_wildcard(self) -> None:
        self.wildcard = self._expected = False
        for name in {*self._held, *self._owed} - self.names:
            self._forget(name)

    def _recall(self) -> None:
        """What was given up while it was on its way is taken up again, and its end must be told if it came in between."""
        if self.delivery.outstanding:
            self._held = self._given_up | self._held
            self._owed.update(dict.fromkeys(self._given_up))
        self._given_up = {}

    def _forget(self, name: str) -> None:
        if (version := self._held.pop(name, _ABSENT)) and self.delivery.outstanding:
            self._given_up[name] = version
            if len(self._given_up) > _GIVEN_UP_KEPT:
                del self._given_up[next(iter(self._given_up))]
        self._owed.pop(name, None)
        self._changed.pop(name, None)
        if not self._changed:
            self.changed_at = None
