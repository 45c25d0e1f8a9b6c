"""Clients that go, or break the protocol, at any moment, over real connections."""

import asyncio
import contextlib
import gc
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.control.objects import endpoint, endpoint_slice, service
from tests.control.xds_client import PATIENCE_S, XdsClient, addresses, until
from tests.xds.envoy_messages import discovery_pb2
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.conversation import Conversation
from trimtab.control.eager import Eager
from trimtab.control.metrics import Metrics
from trimtab.control.resource_store import ResourceStore
from trimtab.control.xds_server import XdsServer
from trimtab.xds.discovery import DiscoveryRequest
from trimtab.xds.resource_type import ADS_SERVICE, ENDPOINTS, STREAM_AGGREGATED_RESOURCES

PAYMENTS = "payments.prod:8080"
GARBAGE = b"\xff\xff\xff"
STREAMS = 300
CONNECTIONS = 30
MANY = 3_000
"""Endpoints that fill more than the window of a client that does not read."""
NARROW = [("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)]


class Churning:
    """A running server whose one service changes."""

    def __init__(self) -> None:
        self.catalog, self.census, self.metrics = Catalog(), Census(), Metrics()
        self.store = ResourceStore(self.catalog, self.census)
        self.server = XdsServer(self.store, self.census, self.metrics)
        self.newest: list[str] = []
        self.address = ""

    def change(self, number: int, size: int = 3) -> None:
        self.newest = sorted(f"10.{number % 250}.{host // 250}.{host % 250 + 1}" for host in range(size))
        self.store.apply(self.catalog.apply([endpoint_slice(*map(endpoint, self.newest))], ()))

    async def churn(self) -> None:
        for number in range(1, 1_000_000):
            self.change(number)
            await asyncio.sleep(0.002)


@pytest.fixture
async def churning() -> AsyncIterator[Churning]:
    churning = Churning()
    churning.store.apply(churning.catalog.apply([service()], ()))
    churning.change(0)
    churning.address = f"127.0.0.1:{await churning.server.start('127.0.0.1:0')}"
    churning.server.complete()
    yield churning
    await churning.server.stop(None)


def _open(channel: grpc.aio.Channel) -> Any:
    return channel.stream_stream(f"/{ADS_SERVICE}/{STREAM_AGGREGATED_RESOURCES}")(wait_for_ready=True)


async def _ask(call: Any, nonce: str = "") -> None:
    await call.write(DiscoveryRequest(ENDPOINTS, (PAYMENTS,), nonce=nonce).serialize())


async def _talk(call: Any, rng: random.Random, heard: asyncio.Event) -> None:
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        await _ask(call)
        if rng.random() < 0.1:
            await call.write(GARBAGE)
        elif rng.random() < 0.1:
            await call.done_writing()
        while isinstance(data := await call.read(), bytes):
            heard.set()
            await _ask(call, discovery_pb2.DiscoveryResponse.FromString(data).nonce)
    heard.set()


async def _talk_for_a_while(channel: grpc.aio.Channel, rng: random.Random) -> None:
    """Every other client stays until the server has answered, however busy the machine is."""
    stays = rng.random() < 0.5
    await asyncio.sleep(rng.random())
    call, heard = _open(channel), asyncio.Event()
    talk = asyncio.create_task(_talk(call, rng, heard))
    if stays:
        async with asyncio.timeout(PATIENCE_S):
            await heard.wait()
    await asyncio.wait([talk], timeout=rng.choice([0.0, 0.01, 0.1]) * rng.random())
    call.cancel()
    talk.cancel()
    await asyncio.gather(talk, return_exceptions=True)


def _carried() -> Iterator[object]:
    return (each for each in gc.get_objects() if isinstance(each, Eager | Conversation))


async def test_of_clients_that_went_at_any_moment_nothing_is_left(churning: Churning) -> None:
    complaints: list[dict[str, Any]] = []
    loop, rng = asyncio.get_running_loop(), random.Random(7)
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    tasks = len(asyncio.all_tasks())
    churn = asyncio.create_task(churning.churn())
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(churning.address, options=options) for _ in range(CONNECTIONS)]
    talks = (_talk_for_a_while(channels[each % CONNECTIONS], random.Random(rng.random())) for each in range(STREAMS))
    await asyncio.gather(*talks)
    await until(lambda: not churning.server.sessions)
    assert churning.metrics.registry.get_sample_value("trimtab_xds_streams") == 0
    assert (churning.metrics.registry.get_sample_value("trimtab_xds_streams_opened_total") or 0) > STREAMS / 3
    assert churning.store.watchers == 0

    # The server is as good as new.
    churn.cancel()
    await asyncio.gather(churn, return_exceptions=True)
    async with XdsClient(churning.address, PAYMENTS) as fresh:
        assert addresses(await fresh.response()) == {PAYMENTS: churning.newest}
    await until(lambda: not churning.server.sessions)
    for channel in channels:
        await channel.close()
    await until(lambda: len(asyncio.all_tasks()) == tasks)
    gc.collect()
    assert list(_carried()) == []
    assert complaints == []


async def test_who_breaks_the_protocol_while_the_first_response_is_being_written_is_told(churning: Churning) -> None:
    churning.change(1, size=MANY)
    async with grpc.aio.insecure_channel(churning.address, options=NARROW) as channel, asyncio.timeout(PATIENCE_S):
        call = _open(channel)
        await _ask(call)
        await until(lambda: any(session.stream.subscriptions for session in churning.server.sessions))
        await asyncio.sleep(0.1)
        await call.write(GARBAGE)
        await asyncio.sleep(0.1)
        response = discovery_pb2.DiscoveryResponse.FromString(await call.read())
        assert addresses(response) == {PAYMENTS: churning.newest}
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_who_reads_nothing_holds_up_nobody_and_then_gets_the_newest(churning: Churning) -> None:
    churning.change(1, size=MANY)
    async with (
        grpc.aio.insecure_channel(churning.address, options=NARROW) as channel,
        XdsClient(churning.address, PAYMENTS) as reader,
    ):
        slow = _open(channel)
        await _ask(slow)
        # It may ACK what it has not read: the change is due, and yet must wait for the transport.
        await until(lambda: len(churning.server.sessions) == 2)
        await _ask(slow, nonce="1")
        await reader.response()
        for number in range(2, 12):
            churning.change(number, size=MANY)
            assert addresses(await reader.response()) == {PAYMENTS: churning.newest}
        read: list[list[str]] = []
        while not read or read[-1] != churning.newest:
            async with asyncio.timeout(PATIENCE_S):
                response = discovery_pb2.DiscoveryResponse.FromString(await slow.read())
            read.append(addresses(response)[PAYMENTS])
            await _ask(slow, response.nonce)
        # What it was being told, what was written next, and nothing of what came between.
        assert len(read) <= 3
