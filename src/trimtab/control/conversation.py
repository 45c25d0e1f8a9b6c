"""One stream as gRPC carries it: at most one read and one write under way, and a task for neither."""

import asyncio
import time
from typing import Any

import grpc.aio

from .eager import Eager
from .metrics import Metrics
from .session import Session, nobody
from .turn import Turn


class Conversation:
    """Carries a session's bytes to and from its client."""

    __slots__ = (
        "_answering",
        "_asked",
        "_began",
        "_context",
        "_draining",
        "_error",
        "_heard_out",
        "_over",
        "_push_time",
        "_reader",
        "_turn",
        "_waits",
        "_writer",
        "session",
    )

    def __init__(self, session: Session, context: Any, turn: Turn, draining: asyncio.Event, metrics: Metrics) -> None:
        """`context` is the `grpc.aio.ServicerContext`; `draining` is set when streams are to end."""
        self.session = session
        self._context = context
        self._turn = turn
        self._draining = draining
        self._push_time = metrics.push_time
        self._reader = Eager[Any](self._received, self._failed)
        self._writer = Eager[None](self._written, self._failed)
        self._asked = asyncio.Event()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answering = False
        """Responses may be written."""
        self._waits = False
        """For its turn to write."""
        self._error: Exception | None = None
        """What ended it; it is heard no more."""
        self._heard_out = False
        """The client has closed its half."""
        self._began = 0.0
        session.wake = self.wake

    async def hold(self) -> None:
        """Return when all is said. Raises ProtocolError."""
        self._reader.run(self._context.read())
        try:
            await self._asked.wait()
            await self.session.caught_up()
            self._answering = True
            self.wake()
            await self._over
            if self._error is not None:
                raise self._error
        finally:
            # What waits for its turn yet must not reopen a session that is closed.
            self._over.cancel()
            self._reader.let_go()
            self._writer.let_go()
            # They hold each other, and so would stay until a collection, which is rare (`control/garbage.py`).
            del self._reader, self._writer
            self._error = None
            self.session.wake = nobody

    def wake(self) -> None:
        """There may be something to say, or an end to make."""
        if self._answering and not self._waits:
            self._waits = True
            self._turn.speak(self)

    def _received(self, data: Any) -> None:
        if data is grpc.aio.EOF:
            self._heard_out = True
            self._asked.set()
            self.wake()
            return
        self._turn.hear(self, data)
        if self._error is None:
            self._reader.run(self._context.read())

    def take_in(self, data: bytes) -> None:
        """A request has come."""
        if self._over.done() or self._error is not None:
            return
        try:
            self.session.receive(data)
        except Exception as error:  # noqa: BLE001 - it ends this stream, and is told to whoever holds it
            self._failed(error)
        self._asked.set()

    def next_response(self) -> bytes | None:
        """What to write; None: nothing, or not before what is being written is."""
        self._waits = False
        if self._over.done() or self._writer.busy:
            return None
        if self._error is not None:
            # Only when nothing is being written: gRPC refuses to send a status while it sends the first response.
            self._over.set_result(None)
            return None
        try:
            response = self.session.next_response()
        except Exception as error:  # noqa: BLE001 - others wait for their turn
            self._failed(error)
            return None
        # Only now: a client may close its half at once and still wait for what it asked for. A stream that got a response may
        # be closed without harm; one that ends without is a failure to gRPC (gRFC A57). So one that has not asked yet may still
        # ask, until the server's grace is over.
        if response is None and (self._heard_out or (self._draining.is_set() and self.session.stream.subscriptions)):
            self._over.set_result(None)
        return response

    def write(self, response: bytes) -> None:
        """Write what `next_response` said."""
        self._began = time.monotonic()
        self._writer.run(self._context.write(response))

    def _written(self, _: None) -> None:
        self._push_time.add(time.monotonic() - self._began)
        if self.session.stream.due or self._heard_out or self._error is not None or self._draining.is_set():
            self.wake()

    def _failed(self, error: Exception) -> None:
        self._error = self._error or error
        self._asked.set()
        self.wake()
