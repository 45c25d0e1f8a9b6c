"""A server to push from, in a process of its own: the real one, or the least that grpc.aio can do.

Each line on stdin changes one endpoint; the answer on stdout is when that was, in seconds of the system's monotonic clock, and
the CPU seconds used so far.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
import uvloop

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
from trimtab.xds.discovery import encode_resource, encode_response
from trimtab.xds.resource import Audience
from trimtab.xds.resource_type import ADS_SERVICE, ENDPOINTS, STREAM_AGGREGATED_RESOURCES

ENDPOINT_COUNT = 20
STREAMS_PER_CONNECTION = 128
Change = Callable[[int], object]


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


async def _start_trimtab(services: int) -> tuple[int, Change]:
    catalog, store, census = _store(services)
    server = XdsServer(store, census, Metrics(), options=_OPTIONS)
    server.complete()
    port = await server.start("127.0.0.1:0")
    return port, lambda turn: store.apply(catalog.apply([_slice(0, turn)], ()))


class _Bare:
    """Ready-made bytes for everybody: what a push costs when there is nothing to decide."""

    def __init__(self) -> None:
        self.streams: set[asyncio.Event] = set()
        self.catalog, self.store, _ = _store(1)
        self.data = b""
        self.encode(0)

    def encode(self, turn: int) -> None:
        self.store.apply(self.catalog.apply([_slice(0, turn)], ()))
        resource = self.store.get(ENDPOINTS, name(0), Audience())
        assert resource is not None
        entry = encode_resource(ENDPOINTS, name(0), resource.body)
        self.data = encode_response(ENDPOINTS, resource.version, "1", [entry])

    def change(self, turn: int) -> None:
        self.encode(turn)
        for woken in self.streams:
            woken.set()

    async def serve(self, requests: AsyncIterator[bytes], context: Any) -> None:
        woken = asyncio.Event()
        woken.set()
        self.streams.add(woken)
        reader = asyncio.ensure_future(_drain(requests))
        try:
            while True:
                await woken.wait()
                woken.clear()
                await context.write(self.data)
        finally:
            self.streams.discard(woken)
            reader.cancel()


async def _drain(requests: AsyncIterator[bytes]) -> None:
    async for _ in requests:
        pass


async def _start_bare() -> tuple[int, Change]:
    bare = _Bare()
    server = grpc.aio.server(options=_OPTIONS)
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(bare.serve)
    methods: Any = {STREAM_AGGREGATED_RESOURCES: handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(ADS_SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    _KEPT.append(server)
    return port, bare.change


# Fifty streams share a connection in one of the measurements; clients have one or two.
_OPTIONS = tuple((key, STREAMS_PER_CONNECTION if key == "grpc.max_concurrent_streams" else v) for key, v in OPTIONS)
_KEPT: list[object] = []


async def main(kind: str, services: int) -> None:
    port, change = await (_start_bare() if kind == "bare" else _start_trimtab(services))
    print(port, flush=True)
    loop = asyncio.get_running_loop()
    turn = 0
    while await loop.run_in_executor(None, sys.stdin.readline):
        turn += 1
        cpu_s, at = time.process_time(), time.monotonic()
        if turn % 2:
            change(turn)
        print(at, cpu_s, flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main(sys.argv[1], int(sys.argv[2])))
