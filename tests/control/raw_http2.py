"""HTTP/2 frames written by hand: what no well-behaved client library would send (RFC 9113)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Self

from trimtab.xds.resource_type import ADS_SERVICE, STREAM_AGGREGATED_RESOURCES

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0x0, 0x1, 0x3, 0x4, 0x6, 0x7
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
CANCEL = 8


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Any frame, sensible or not."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def headers(stream: int, flags: int = END_HEADERS) -> bytes:
    """The start of an ADS call, in HPACK without Huffman and without the dynamic table (RFC 7541)."""
    path = f"/{ADS_SERVICE}/{STREAM_AGGREGATED_RESOURCES}".encode()
    block = b"\x83\x86" + _literal(b"\x04", path) + _literal(b"\x01", b"localhost")
    block += b"\x00" + _text(b"te") + _text(b"trailers") + _literal(b"\x0f\x10", b"application/grpc")
    return frame(HEADERS, flags, stream, block)


def message(stream: int, body: bytes) -> bytes:
    """A gRPC message, which fits into one frame."""
    return frame(DATA, 0, stream, b"\x00" + len(body).to_bytes(4) + body)


def reset(stream: int) -> bytes:
    """The end of a stream that is not wanted any more."""
    return frame(RST_STREAM, 0, stream, CANCEL.to_bytes(4))


def _literal(index: bytes, value: bytes) -> bytes:
    return index + _text(value)


def _text(value: bytes) -> bytes:
    # One byte of length suffices up to 126.
    assert len(value) < 127
    return bytes([len(value)]) + value


class RawConnection:
    """One connection on which frames are sent as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, address: str) -> AsyncIterator[Self]:
        """Connect, and say what every client says first; hang up in the end, whatever is still under way."""
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            connection = cls(reader, writer)
            await connection.send(PREFACE + frame(SETTINGS))
            yield connection
        finally:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def send(self, data: bytes) -> None:
        """Write, as fast as the other side reads. Raises ConnectionError once it does not any more."""
        self._writer.write(data)
        await self._writer.drain()

    async def receive(self) -> tuple[int, int, bytes]:
        """Kind, flags and payload of the next frame. Raises asyncio.IncompleteReadError at the end."""
        head = await self._reader.readexactly(9)
        return head[3], head[4], await self._reader.readexactly(int.from_bytes(head[:3]))
