"""A server to push from, in a process of its own: the real one, or the least that grpc.aio can do.

Each line on stdin changes one endpoint; the answer on stdout is when that was, in seconds of the system's monotonic clock, and
the CPU seconds used so far.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import uvloop

from trimtab.cli.logs import configure
from trimtab.control import garbage
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.kubernetes import (
    SERVICE_NAME_LABEL,
    EndpointSlice,
    Metadata,
    Service,
    ServicePortSpec,
    ServiceSpec,
    SliceEndpoint,
    SlicePort,
)
from trimtab.control.metrics import Metrics
from trimtab.control.resource_store import ResourceStore
from trimtab.control.xds_server import OPTIONS, XdsServer
from trimtab.xds.discovery import encode_contents, encode_nonce, encode_resource
from trimtab.xds.identifier import encode_identifier
from trimtab.xds.resource import Audience
from trimtab.xds.resource_type import ADS_SERVICE, ENDPOINTS, STREAM_AGGREGATED_RESOURCES

Options = tuple[tuple[str, int], ...]
ENDPOINT_COUNT = 20
STREAMS_PER_CONNECTION = 128


def name(index: int) -> str:
    """What a client asks for to get the endpoints of service `index`."""
    return f"s{index}.bench:80"


def _slice(index: int, turn: int) -> EndpointSlice:
    hosts = [f"10.0.0.{host + 1}" for host in range(ENDPOINT_COUNT - 1)] + [f"10.0.1.{turn % 250 + 1}"]
    metadata = Metadata(f"s{index}", "bench", labels={SERVICE_NAME_LABEL: f"s{index}"})
    return EndpointSlice(metadata, "IPv4", [SliceEndpoint([host]) for host in hosts], [SlicePort(80)])


def _store(services: int) -> tuple[Catalog, ResourceStore, Census]:
    catalog, census = Catalog(), Census()
    store = ResourceStore(catalog, census)
    for index in range(services):
        service = Service(Metadata(f"s{index}", "bench"), ServiceSpec(ports=[ServicePortSpec(80)]))
        store.apply(catalog.apply([service, _slice(index, 0)], ()))
    return catalog, store, census


class _Trimtab:
    """The control plane's own server, with as many services as told."""

    def __init__(self, services: int) -> None:
        self._catalog, self._store, census = _store(services)
        self._server = XdsServer(self._store, census, Metrics(), options=_OPTIONS)
        self._server.complete()

    async def start(self) -> int:
        return await self._server.start("127.0.0.1:0")

    def change(self, turn: int) -> None:
        self._store.apply(self._catalog.apply([_slice(0, turn)], ()))

    async def stop(self) -> None:
        await self._server.stop(None)


class _Bare:
    """The same bytes to everybody who ever asked: what a push costs when there is nothing to decide and nothing to remember.

    Every client sees what Trimtab would send it, a nonce of its own stream and the clock included; ACKs are read, not understood.
    """

    def __init__(self, options: Options) -> None:
        self._streams: set[asyncio.Event] = set()
        self._catalog, self._store, _ = _store(1)
        self._data = b""
        self._encode(0)
        self._server = grpc.aio.server(options=options)
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(self._serve)
        methods: Any = {STREAM_AGGREGATED_RESOURCES: handler}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(ADS_SERVICE, methods),))

    async def start(self) -> int:
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return port

    def change(self, turn: int) -> None:
        self._encode(turn)
        for woken in self._streams:
            woken.set()

    async def stop(self) -> None:
        await self._server.stop(None)

    def _encode(self, turn: int) -> None:
        self._store.apply(self._catalog.apply([_slice(0, turn)], ()))
        resource = self._store.get(ENDPOINTS, name(0), Audience())
        assert resource is not None
        entry = encode_resource(ENDPOINTS, name(0), resource.body)
        self._data = encode_contents(ENDPOINTS, resource.version, [entry])

    async def _serve(self, requests: AsyncIterator[bytes], context: Any) -> None:
        woken = asyncio.Event()
        woken.set()
        self._streams.add(woken)
        reader = asyncio.create_task(_drain(requests))
        try:
            for number in itertools.count(1):
                await woken.wait()
                woken.clear()
                await context.write(self._data + encode_nonce(format(number, "x")) + encode_identifier(time.time()))
        finally:
            self._streams.discard(woken)
            reader.cancel()


async def _drain(requests: AsyncIterator[bytes]) -> None:
    async for _ in requests:
        pass


# Fifty streams share a connection in one of the measurements; clients have one or two.
_OPTIONS = tuple((key, STREAMS_PER_CONNECTION if key == "grpc.max_concurrent_streams" else v) for key, v in OPTIONS)
# The limits that a server cannot do without are for both; what is set for the sake of speed is ours.
_BARE_OPTIONS = tuple((key, v) for key, v in _OPTIONS if key != "grpc.http2.bdp_probe")


def _server(kind: str, services: int) -> _Bare | _Trimtab:
    if kind == "trimtab":
        return _Trimtab(services)
    return _Bare(_OPTIONS if kind == "bare-unprobed" else _BARE_OPTIONS)


async def main(kind: str, services: int) -> None:
    """Serve until stdin ends."""
    server = _server(kind, services)
    # As the control plane does once the first load is complete.
    garbage.resume()
    print(await server.start(), flush=True)
    loop = asyncio.get_running_loop()
    turn = 0
    while await loop.run_in_executor(None, sys.stdin.readline):
        turn += 1
        cpu_s, at = time.process_time(), time.monotonic()
        if turn % 2:
            server.change(turn)
        print(at, cpu_s, flush=True)
    await server.stop()


if __name__ == "__main__":
    # Logs go to stderr, as those of `trimtab serve`: stdout is the conversation.
    configure("warning")
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
