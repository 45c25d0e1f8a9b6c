"""grpc.health.v1 over a real connection, its two messages written and read by hand: one string and one enum, both field 1."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.control.xds_client import PATIENCE_S, XdsClient
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.metrics import Metrics
from trimtab.control.resource_store import ResourceStore
from trimtab.control.xds_server import XdsServer

SERVING, NOT_SERVING, SERVICE_UNKNOWN = b"\x08\x01", b"\x08\x02", b"\x08\x03"
ADS = "envoy.service.discovery.v3.AggregatedDiscoveryService"


@dataclass
class Probed:
    """A server that is asked how it is."""

    server: XdsServer
    address: str
    channel: grpc.aio.Channel

    async def check(self, service: str = "") -> bytes:
        call: Any = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        return bytes(await call(_request(service), timeout=PATIENCE_S))

    def watch(self, service: str = "") -> Any:
        call: Any = self.channel.unary_stream("/grpc.health.v1.Health/Watch")
        return call(_request(service), timeout=PATIENCE_S)


def _request(service: str) -> bytes:
    return b"\x0a" + bytes([len(service)]) + service.encode() if service else b""


@pytest.fixture
async def probed() -> AsyncIterator[Probed]:
    census = Census()
    server = XdsServer(ResourceStore(Catalog(), census), census, Metrics())
    address = f"127.0.0.1:{await server.start('127.0.0.1:0')}"
    async with grpc.aio.insecure_channel(address) as channel:
        yield Probed(server, address, channel)
    await server.stop(None)


@pytest.mark.parametrize("service", ["", ADS, "envoy.service.endpoint.v3.EndpointDiscoveryService"])
async def test_it_serves_once_the_first_load_is_complete(probed: Probed, service: str) -> None:
    assert await probed.check(service) == NOT_SERVING
    probed.server.complete()
    assert await probed.check(service) == SERVING


async def test_a_service_that_is_not_here_is_not_found(probed: Probed) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await probed.check("payments")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "'payments'" in (caught.value.details() or "")


async def test_who_watches_hears_of_every_change_and_the_end(probed: Probed) -> None:
    watching = probed.watch(ADS)
    assert await watching.read() == NOT_SERVING
    probed.server.complete()
    assert await watching.read() == SERVING
    stopping = asyncio.ensure_future(probed.server.stop(PATIENCE_S))
    assert await watching.read() == NOT_SERVING
    assert await watching.read() is grpc.aio.EOF
    await stopping


async def test_who_watches_a_service_that_is_not_here_is_told_so_and_may_go_on(probed: Probed) -> None:
    watching = probed.watch("payments")
    assert await watching.read() == SERVICE_UNKNOWN
    stopping = asyncio.ensure_future(probed.server.stop(PATIENCE_S))
    assert await watching.read() is grpc.aio.EOF
    await stopping


async def test_watching_does_not_hold_up_the_end_before_the_first_load(probed: Probed) -> None:
    watching = probed.watch()
    assert await watching.read() == NOT_SERVING
    stopping = asyncio.ensure_future(probed.server.stop(PATIENCE_S))
    assert await watching.read() is grpc.aio.EOF
    await stopping


async def test_garbage_is_refused_and_harms_nobody(probed: Probed) -> None:
    call: Any = probed.channel.unary_unary("/grpc.health.v1.Health/Check")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"\xff\xff")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert await probed.check() == NOT_SERVING


async def test_asking_opens_no_xds_stream(probed: Probed) -> None:
    probed.server.complete()
    watching = probed.watch()
    assert await watching.read() == SERVING
    async with XdsClient(probed.address, "payments.prod:8080") as client:
        await client.response()
        assert len(probed.server.sessions) == 1
