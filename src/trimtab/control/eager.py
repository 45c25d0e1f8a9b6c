"""Coroutines run without a task: at once up to where they wait, and on from there in the callback of what they waited for.

grpc.aio has a coroutine for every message that is read or written, and each waits once, for one future. A task around it costs a
turn of the event loop to start it, another to wake it, and an object that lives as long as the message (docs/adr/0012).
"""

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Eager(Generic[T]):
    """Runs one coroutine after the other, with the same ending for all of them."""

    __slots__ = ("_coroutine", "_done", "_failed")

    def __init__(self, done: Callable[[T], object], failed: Callable[[Exception], object]) -> None:
        """`done` is called with what a coroutine returns, `failed` with what it raises."""
        self._done: Callable[[T], object] = done
        self._failed: Callable[[Exception], object] = failed
        self._coroutine: Coroutine[Any, Any, T] | None = None

    @property
    def busy(self) -> bool:
        """A coroutine is under way."""
        return self._coroutine is not None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> None:
        """Start a coroutine that waits for nothing but futures; none may be under way."""
        self._coroutine = coroutine
        self._go_on(None)

    def let_go(self) -> None:
        """Tell nobody what comes of what is under way.

        It goes on to its end, which comes when gRPC is done with the call, and so frees what gRPC made for it: a coroutine of
        grpc.aio that is closed while it waits leaves its message behind.
        """
        self._done = self._failed = _nobody

    def _go_on(self, _: object) -> None:
        if (coroutine := self._coroutine) is None:
            return
        try:
            coroutine.send(None).add_done_callback(self._go_on)
        except StopIteration as end:
            self._coroutine = None
            self._done(end.value)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            self._coroutine = None
            self._failed(error)


def _nobody(_: object) -> None:
    """Whoever was to be told has gone."""
