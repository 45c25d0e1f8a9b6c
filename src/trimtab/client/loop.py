"""Where the slow path of a channel runs: one thing after the other, so that it needs no lock.

An asyncio channel uses its event loop. A synchronous channel uses a `ThreadLoop`: a thread that offers the two methods of
an event loop which the slow path needs.
"""

import contextlib
import heapq
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol

logger = logging.getLogger(__name__)


class Timer(Protocol):
    """A callback that was scheduled and can still be called off."""

    def cancel(self) -> None: ...


class Loop(Protocol):
    """What the slow path asks of an event loop; `asyncio.AbstractEventLoop` offers it."""

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: object) -> object: ...

    def call_later(self, delay: float, callback: Callable[..., object], *args: object) -> Timer: ...


class _ThreadTimer:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ThreadLoop:
    """A daemon thread that runs callbacks in the order they came.

    Once stopped, callbacks still run, in the thread that brings them: nobody waits for an answer that never comes.
    """

    def __init__(self, name: str) -> None:
        self._ready: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._timers: list[tuple[float, int, _ThreadTimer]] = []
        self._order = itertools.count()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: object) -> None:
        """Run `callback` soon; from any thread. Takes no lock, so it may be called from `__del__`."""
        self._ready.put(lambda: callback(*args))
        if self._ended:
            self._run_left_over()

    def call_later(self, delay: float, callback: Callable[..., object], *args: object) -> Timer:
        """Run `callback` after `delay` seconds; only from callbacks of this loop."""
        timer = _ThreadTimer(lambda: callback(*args))
        heapq.heappush(self._timers, (time.monotonic() + delay, next(self._order), timer))
        return timer

    def stop(self) -> None:
        """End the thread after the callbacks that are already there."""
        self._ready.put(None)

    def join(self) -> None:
        """Wait for the thread to end, unless called from it."""
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                callback = self._ready.get(timeout=self._until_next_timer_s())
            except queue.Empty:
                self._run_timers()
                continue
            if callback is None:
                break
            _guarded(callback)
            # Not to keep alive what the callback refers to while there is nothing to do.
            del callback
            self._run_timers()
        self._ended = True
        self._run_left_over()

    def _until_next_timer_s(self) -> float | None:
        if not self._timers:
            return None
        # A timer of centuries, as of a call with an infinite timeout, is more than a queue can wait for at a time.
        return min(max(0.0, self._timers[0][0] - time.monotonic()), threading.TIMEOUT_MAX)

    def _run_timers(self) -> None:
        while self._timers and self._timers[0][0] <= time.monotonic():
            _, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                _guarded(timer.callback)

    def _run_left_over(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                if (callback := self._ready.get_nowait()) is not None:
                    _guarded(callback)


def _guarded(callback: Callable[[], object]) -> None:
    try:
        callback()
    except Exception:
        logger.exception("a callback failed")
