"""SIGTERM of a server that is not ours: kept from it until the pod has drained."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from typing import Any, Final

logger = logging.getLogger(__name__)

_NOT_TAKEN: Final = object()


class Sigterm:
    """Stands before whoever handles SIGTERM, in one of the two ways there are to handle it.

    A handler of `signal.signal`, as uvicorn's, is given the signal later. One of the event loop, as Hypercorn's, cannot be
    asked for and is gone when another takes its place; its server gets SIGINT instead, which means the same to servers.
    """

    def __init__(self) -> None:
        self._before: Any = _NOT_TAKEN
        self._loop: asyncio.AbstractEventLoop | None = None

    def take(self, depart: Callable[[], object]) -> None:
        """From now on SIGTERM runs `depart` in the running loop, and nothing else. Only in the main thread."""
        loop = asyncio.get_running_loop()
        if _handled_by(loop):
            loop.add_signal_handler(signal.SIGTERM, depart)
            self._loop = loop
            return

        def soon(number: int, frame: object) -> None:
            loop.call_soon_threadsafe(depart)

        try:
            self._before = signal.signal(signal.SIGTERM, soon)
        except ValueError:
            logger.warning("SIGTERM is not handled: this is not the main thread; the pod will not drain")

    def pass_on(self) -> None:
        """The server may have it now; again is harmless."""
        if self._loop is not None:
            # What the server does with SIGTERM is lost, so that a second one must not kill it.
            self._loop.add_signal_handler(signal.SIGTERM, _interrupt)
            self._loop = None
            _interrupt()
        elif self.give_back():
            os.kill(os.getpid(), signal.SIGTERM)

    def give_back(self) -> bool:
        """Let SIGTERM be as it was before, without sending one. Whether it was ours."""
        if self._loop is not None:
            self._loop.add_signal_handler(signal.SIGTERM, _interrupt)
            self._loop = None
            return True
        if self._before is _NOT_TAKEN:
            return False
        # None: it was installed by something else than Python, which cannot be put back.
        signal.signal(signal.SIGTERM, signal.SIG_DFL if self._before is None else self._before)
        self._before = _NOT_TAKEN
        return True


def _handled_by(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the loop had a handler for SIGTERM; it has none afterwards."""
    try:
        return loop.remove_signal_handler(signal.SIGTERM)
    except NotImplementedError:
        return False


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)
