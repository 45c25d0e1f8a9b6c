"""A coroutine run without a task: begun at once, and ended when somebody next looks.

grpc.aio has a coroutine for every message that is written, and it waits once, for one future. A task around it costs a turn of the
event loop to start it, another to wake it, and an object that lives as long as the message (docs/adr/0012).
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any


class Eager:
    """Runs one coroutine after the other; each waits for nothing but futures."""

    __slots__ = ("_coroutine", "_waits_for")

    def __init__(self) -> None:
        self._coroutine: Coroutine[Any, Any, object] | None = None
        self._waits_for: asyncio.Future[Any] | None = None
        """None: nothing is under way."""

    def begin(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Run it up to where it waits; none may be under way. Raises what it raises."""
        try:
            self._waits_for = coroutine.send(None)
        except StopIteration:
            return
        self._coroutine = coroutine

    def over(self) -> bool:
        """Whether nothing is under way any more. What waits no more is run to its end first. Raises what it raises."""
        while (future := self._waits_for) is not None:
            if not future.done():
                return False
            coroutine, self._coroutine, self._waits_for = self._coroutine, None, None
            if coroutine is not None:
                self.begin(coroutine)
        return True

    def then(self, call: Callable[[object], object]) -> None:
        """Call it once it is worth asking again whether what is under way is over."""
        if self._waits_for is not None:
            self._waits_for.add_done_callback(call)

    def let_go(self, _: object = None) -> None:
        """Tell nobody what comes of what is under way.

        It goes on to its end, which comes when gRPC is done with the call, and so frees what gRPC made for it: a coroutine of
        grpc.aio that is closed while it waits leaves its message behind.
        """
        with contextlib.suppress(Exception):
            if not self.over():
                self.then(self.let_go)
