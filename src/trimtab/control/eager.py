"""Coroutines run without a task: at once up to where they wait, and on from there in the callback of what they waited for.

grpc.aio has a coroutine for every message that is read or written, and each waits once, for one future. A task around it costs a
turn of the event loop to start it, another to wake it, and an object that lives as long as the message (docs/adr/0012).
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Eager(Generic[T]):
    """Runs one coroutine after the other, with the same ending for all of them."""

    __slots__ = ("_coroutine", "_done", "_failed", "_waits_for")

    def __init__(self, done: Callable[[T], object], failed: Callable[[Exception], object]) -> None:
        """`done` is called with what a coroutine returns, `failed` with what it raises."""
        self._done = done
        self._failed = failed
        self._coroutine: Coroutine[Any, Any, T] | None = None
        self._waits_for: asyncio.Future[Any] | None = None

    @property
    def busy(self) -> bool:
        """A coroutine is under way."""
        return self._coroutine is not None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> None:
        """Start a coroutine that waits for nothing but futures; none may be under way."""
        self._coroutine = coroutine
        self._go_on(None)

    def close(self) -> None:
        """Give up what is under way."""
        coroutine, self._coroutine = self._coroutine, None
        if coroutine is None:
            return
        if self._waits_for is not None and self._waits_for.done():
            # What it waited for has come: it may have something to put away.
            with contextlib.suppress(StopIteration, Exception):
                coroutine.send(None)
        elif self._waits_for is not None:
            self._waits_for.cancel()
        coroutine.close()

    def _go_on(self, _: object) -> None:
        if (coroutine := self._coroutine) is None:
            return
        try:
            self._waits_for = future = coroutine.send(None)
        except StopIteration as end:
            self._coroutine = None
            self._done(end.value)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            self._coroutine = None
            self._failed(error)
        else:
            future.add_done_callback(self._go_on)
