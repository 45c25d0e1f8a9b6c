"""One stream as gRPC carries it: at most one read and one write under way, a task for the one and none for the other."""

import asyncio
from typing import Any

import grpc.aio

from .eager import Eager
from .session import Session, nobody
from .turn import Turn


class Conversation:
    """Carries a session's bytes to and from its client."""

    __slots__ = (
        "_answering",
        "_asked",
        "_context",
        "_draining",
        "_error",
        "_heard_out",
        "_listener",
        "_over",
        "_turn",
        "_waits",
        "_writer",
        "session",
    )

    def __init__(self, session: Session, context: Any, turn: Turn, draining: asyncio.Event) -> None:
        """`context` is the `grpc.aio.ServicerContext`; `draining` is set when streams are to end."""
        self.session = session
        self._context = context
        self._turn = turn
        self._draining = draining
        self._writer = Eager()
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
        self._listener: asyncio.Task[None] | None = None
        """Nobody waits for it, and nobody stops it: a read that is given up leaves its message behind. It ends when gRPC is done
        with the call."""
        session.wake = self.wake

    async def hold(self) -> None:
        """Return when all is said. Raises ProtocolError."""
        self._listener = asyncio.create_task(self._listen())
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
            self._writer.let_go()
            # Its traceback holds this, and so both would stay until a collection, which is rare (`control/garbage.py`).
            self._error = None
            self.session.wake = nobody

    def wake(self) -> None:
        """There may be something to say, or an end to make."""
        if self._answering and not self._waits:
            self._waits = True
            self._turn.speak(self)

    async def _listen(self) -> None:
        read, receive, written = self._context.read, self.session.receive, self._writer.over
        try:
            while (data := await read()) is not grpc.aio.EOF:
                # A read is under way when a stream ends, whatever for: gRPC has somewhere to put what comes then.
                if self._error is not None or self._over.done():
                    return
                try:
                    receive(data)
                    # An answer says that what it answers was written; what was kept for that can go.
                    written()
                except Exception as error:  # noqa: BLE001 - it ends this stream, and is told to whoever holds it
                    self._failed(error)
                if not self._answering:
                    self._asked.set()
        except Exception as error:  # noqa: BLE001 - likewise
            self._failed(error)
            return
        self._heard_out = True
        self._asked.set()
        self.wake()

    def next_response(self) -> bytes | None:
        """What to write; None: nothing, or not before what is being written is."""
        if self._over.done():
            return None
        response = None
        try:
            if not self._writer.over():
                self._writer.then(self._speak)
                return None
            self._waits = False
            if self._error is None:
                response = self.session.next_response()
        except Exception as error:  # noqa: BLE001 - others wait for their turn
            self._error = self._error or error
            self._waits = False
        if self._error is not None:
            # Only when nothing is being written: gRPC refuses to send a status while it sends the first response.
            self._over.set_result(None)
            return None
        # Only now: a client may close its half at once and still wait for what it asked for. A stream that got a response may
        # be closed without harm; one that ends without is a failure to gRPC (gRFC A57). So one that has not asked yet may still
        # ask, until the server's grace is over.
        if response is None and (self._heard_out or (self._draining.is_set() and self.session.stream.subscriptions)):
            self._over.set_result(None)
        return response

    def write(self, response: bytes) -> None:
        """Write what `next_response` said."""
        try:
            self._writer.begin(self._context.write(response))
        except Exception as error:  # noqa: BLE001 - others wait for their turn
            self._failed(error)
            return
        if self.session.stream.due or self._heard_out or self._error is not None or self._draining.is_set():
            self.wake()

    def _speak(self, _: object) -> None:
        self._turn.speak(self)

    def _failed(self, error: Exception) -> None:
        if self._over.done():
            return
        self._error = self._error or error
        self._asked.set()
        self.wake()
