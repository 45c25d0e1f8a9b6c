"""The body of a pretended API server's answer."""

import asyncio
import contextlib

from aiohttp import web

from .fake_store import Json, encode


class Writer:
    """A body that may break off after so many bytes."""

    def __init__(self, request: web.Request, cut_after: int | None) -> None:
        self._request = request
        self._left = cut_after
        self._response = web.StreamResponse(headers={"Content-Type": "application/json"})

    async def start(self) -> None:
        if not self._response.prepared:
            await self._response.prepare(self._request)

    async def event(self, event: Json) -> None:
        await self.write(encode(event) + b"\n")

    async def write(self, data: bytes) -> None:
        await self.start()
        if self._left is not None and len(data) >= self._left:
            with contextlib.suppress(ConnectionError):
                await self._response.write(data[: self._left])
            assert self._request.transport is not None
            # What was written goes out first, then the connection is gone.
            self._request.transport.close()
            raise asyncio.CancelledError
        if self._left is not None:
            self._left -= len(data)
        try:
            await self._response.write(data)
        except ConnectionError:
            # The client is gone, or a test cut it off.
            raise asyncio.CancelledError from None

    async def end(self) -> web.StreamResponse:
        await self.start()
        return self._response
