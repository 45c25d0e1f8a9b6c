"""Keeps what the control plane says on disk, and gives it back when nobody answers at the start.

A thread of its own: disks may be slow, and discovery has calls waiting for it.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from .assignment_store import AssignmentStore, Kept

logger = logging.getLogger(__name__)

RESTORE_AFTER_S = 1.0
"""How long the control plane gets to say something about a service before the disk is asked."""
SPACING_S = 1.0
"""Between two writes for one service, whose Pods may come and go by the second."""
CONFIRM_S = 300.0
"""What has not changed is written too, now and then: that it was true five minutes ago is news."""


@dataclass(slots=True)
class _Known:
    version: str = ""
    assignment: bytes = b""
    policy: bytes = b""
    zone: str = ""
    save_at: float | None = None
    saved_at: float = float("-inf")


class Keeper:
    """What is known of each service that is subscribed to, on its way to disk. Every method may be called from any thread."""

    def __init__(
        self,
        store: AssignmentStore,
        restore: Callable[[str, Kept], object],
        waits: Callable[[str], bool],
        answering: Callable[[], bool],
    ) -> None:
        """`waits` says whether nothing is known of a service; if so, and the control plane is not `answering`, `restore` is given
        what is on disk. All are called in a thread of this.
        """
        self._store = store
        self._restore = restore
        self._waits = waits
        self._answering = answering
        self._known: dict[str, _Known] = {}
        self._look_at: dict[str, float] = {}
        self._disowned: set[str] = set()
        self._stopped = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def wanted(self, name: str) -> None:
        """Somebody waits for news of a service."""
        with self._changed:
            self._look_at.setdefault(name, time.monotonic() + RESTORE_AFTER_S)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="trimtab-keeper", daemon=True)
                self._thread.start()
            self._changed.notify()

    def dropped(self, name: str) -> None:
        """Nobody does any more. What is on disk stays."""
        with self._changed:
            self._look_at.pop(name, None)
            self._known.pop(name, None)

    def assigned(self, name: str, version: str, body: bytes, zone: str) -> None:
        """The control plane said which endpoints a service has, to a client in `zone`."""
        with self._changed:
            known = self._known.setdefault(name, _Known())
            known.version, known.assignment, known.zone = version, body, zone
            self._due(known)

    def balanced(self, name: str, body: bytes) -> None:
        """The control plane said how a service is balanced."""
        with self._changed:
            known = self._known.setdefault(name, _Known())
            known.policy = body
            self._due(known)

    def disowned(self, name: str) -> None:
        """The control plane said that there is no such service."""
        with self._changed:
            self._known.pop(name, None)
            self._disowned.add(name)
            self._changed.notify()

    def stop(self) -> None:
        """Write what is due and end; this does not wait for it."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _due(self, known: _Known) -> None:
        if known.assignment:
            known.save_at = max(time.monotonic(), known.saved_at + SPACING_S)
            self._changed.notify()

    def _run(self) -> None:
        self._store.sweep()
        while True:
            with self._changed:
                now = time.monotonic()
                disowned, self._disowned = self._disowned, set()
                saves, looks = self._saves(now), self._looks(now)
                if not (disowned or saves or looks):
                    if self._stopped:
                        return
                    self._changed.wait(self._wait_s(now))
                    continue
            for name in disowned:
                self._store.forget(name)
            for name, kept in saves:
                self._store.save(name, kept)
            for name in looks:
                self._look(name)

    def _saves(self, now: float) -> list[tuple[str, Kept]]:
        saves = []
        answering = self._answering()
        for name, known in self._known.items():
            confirmed = answering and known.assignment and now - known.saved_at >= CONFIRM_S
            if confirmed or (known.save_at is not None and (known.save_at <= now or self._stopped)):
                saves.append((name, Kept(time.time(), known.version, known.assignment, known.policy, known.zone)))
                known.save_at, known.saved_at = None, now
        return saves

    def _looks(self, now: float) -> list[str]:
        looks = [] if self._stopped else [name for name, at in self._look_at.items() if at <= now]
        for name in looks:
            del self._look_at[name]
        return looks

    def _wait_s(self, now: float) -> float:
        times = [known.save_at for known in self._known.values() if known.save_at is not None]
        return max(0.0, min([*times, *self._look_at.values(), now + CONFIRM_S / 10]) - now)

    def _look(self, name: str) -> None:
        if not self._waits(name):
            return
        if self._answering():
            # And may be about to say something of this service too.
            with self._changed:
                self._look_at.setdefault(name, time.monotonic() + RESTORE_AFTER_S)
        elif (kept := self._store.load(name)) is not None:
            self._restore(name, kept)
