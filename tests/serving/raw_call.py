"""A gRPC call as it is on the wire: gRPC's own clients keep some trailers to themselves."""

import asyncio
import base64

import h2.connection
import h2.events

PATIENCE_S = 60.0


async def trailers_of(address: str, path: str, message: bytes = b"") -> dict[str, bytes]:
    """The trailing metadata of a unary call, decoded where its name ends in `-bin`."""
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            return await _call(reader, writer, path, message)
        finally:
            writer.close()
            await writer.wait_closed()


async def _call(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, message: bytes
) -> dict[str, bytes]:
    connection = h2.connection.H2Connection()
    connection.initiate_connection()
    stream = connection.get_next_available_stream_id()
    headers = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "test", "te": "trailers"}
    connection.send_headers(stream, [*headers.items(), ("content-type", "application/grpc")])
    connection.send_data(stream, b"\x00" + len(message).to_bytes(4) + message, end_stream=True)
    last: dict[str, bytes] = {}
    while True:
        writer.write(connection.data_to_send())
        await writer.drain()
        data = await reader.read(65536)
        assert data, "the server hung up"
        for event in connection.receive_data(data):
            match event:
                # An answer without a message has nothing but trailers.
                case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                    last = dict(_decoded(*field) for field in event.headers or ())
                case h2.events.StreamEnded():
                    return last


def _decoded(name: bytes, value: bytes) -> tuple[str, bytes]:
    # gRPC leaves out the padding (gRPC over HTTP/2, Custom-Metadata).
    binary = name.endswith(b"-bin")
    return name.decode(), base64.b64decode(value + b"=" * (-len(value) % 4)) if binary else value
