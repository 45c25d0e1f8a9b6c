"""The discoveries of this process: one per control plane, alive while a channel uses it."""

import atexit
import os
import threading
from dataclasses import dataclass

from ..model import Locality
from .bootstrap import Bootstrap, ControlPlane
from .discovery import Discovery
from .keep import Keep

_Key = tuple[tuple[ControlPlane, ...], str, str, Locality, frozenset[tuple[str, str]], Keep | None]


@dataclass(slots=True)
class _Entry:
    discovery: Discovery
    users: int = 0


class Discoveries:
    """Hands out the one discovery for each control plane and node."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[_Key, _Entry] = {}

    def acquire(self, bootstrap: Bootstrap) -> Discovery:
        """The discovery for `bootstrap`; to be given back with `release`."""
        with self._lock:
            key = _key(bootstrap)
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = _Entry(Discovery(bootstrap))
            entry.users += 1
            return entry.discovery

    def release(self, bootstrap: Bootstrap, discovery: Discovery) -> None:
        """Give back the `discovery` that `acquire` returned for `bootstrap`; the last one stops it."""
        with self._lock:
            entry = self._entries.get(_key(bootstrap))
            if entry is None or entry.discovery is not discovery:
                # From before a fork, or stopped because the process ends.
                return
            entry.users -= 1
            if entry.users:
                return
            del self._entries[_key(bootstrap)]
        discovery.stop()

    def stop_all(self) -> None:
        """Stop every discovery: the process ends."""
        with self._lock:
            entries, self._entries = list(self._entries.values()), {}
        for entry in entries:
            entry.discovery.stop()

    def __len__(self) -> int:
        return len(self._entries)


def _key(bootstrap: Bootstrap) -> _Key:
    """What a stream is for: whom it goes to, all that is said there of who we are, and where answers are kept."""
    node = bootstrap.node
    said = (node.id, node.cluster, node.locality, frozenset(node.metadata.items()))
    return bootstrap.servers, *said, bootstrap.keep


_current = Discoveries()


def current() -> Discoveries:
    """The discoveries of this process."""
    return _current


def _forget() -> None:
    """A forked child has none of its parent's threads and connections: it starts anew."""
    global _current
    _current = Discoveries()


os.register_at_fork(after_in_child=_forget)
atexit.register(lambda: _current.stop_all())
