"""A stream of requests that the caller writes one by one while interceptors see it as an iterator."""

import asyncio
from typing import Any

ALREADY_FINISHED = "RPC already finished."
HALF_CLOSED = 'RPC is half closed after calling "done_writing".'

_EMPTY = object()


class Writes:
    """Hands over one request at a time: `put` returns when there is room, not before, so that flow control holds."""

    def __init__(self) -> None:
        self._slot: Any = _EMPTY
        self._closed = False
        self._ended = False
        self._call: Any = None
        self._changed = asyncio.Event()

    async def put(self, request: Any, call: Any) -> None:
        """Hand over a request for `call`. Raises asyncio.InvalidStateError if it takes no more."""
        if self._call is None:
            self._call = call
            call.add_done_callback(self._finish)
        if self._closed:
            raise asyncio.InvalidStateError(HALF_CLOSED)
        while self._slot is not _EMPTY and not self._ended:
            await self._change()
        if self._ended:
            raise asyncio.InvalidStateError(ALREADY_FINISHED)
        self._slot = request
        self._changed.set()

    def close(self) -> None:
        """No more requests."""
        self._closed = True
        self._changed.set()

    def _finish(self, call: Any) -> None:
        self._ended = True
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def __aiter__(self) -> "Writes":
        return self

    async def __anext__(self) -> Any:
        while self._slot is _EMPTY:
            if self._closed or self._ended:
                raise StopAsyncIteration
            await self._change()
        request, self._slot = self._slot, _EMPTY
        self._changed.set()
        return request
