"""Hostile connections against a server with its limits: none of them may cost an honest client anything (docs/adr/0011)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.control.objects import endpoint, endpoint_slice, service
from tests.control.raw_http2 import (
    ACK,
    DATA,
    END_STREAM,
    GOAWAY,
    PING,
    PREFACE,
    RawConnection,
    frame,
    headers,
    message,
    reset,
)
from tests.control.xds_client import PATIENCE_S, XdsClient, addresses, until
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.metrics import Metrics
from trimtab.control.resource_store import ResourceStore
from trimtab.control.xds_server import OPTIONS, XdsServer
from trimtab.xds.discovery import DiscoveryRequest
from trimtab.xds.resource_type import ENDPOINTS

PAYMENTS = "payments.prod:8080"
REQUEST = DiscoveryRequest(ENDPOINTS, (PAYMENTS,)).serialize()
MAX_STREAMS = dict(OPTIONS)["grpc.max_concurrent_streams"]
ATTACK_STREAMS = 4000
PROBES = 10


class Target:
    """A running server under attack, and what it counts."""

    def __init__(self, options: dict[str, int]) -> None:
        self.catalog, census, self.metrics = Catalog(), Census(), Metrics()
        self.store = ResourceStore(self.catalog, census)
        self.store.apply(self.catalog.apply([service(), endpoint_slice(endpoint("10.0.0.1"))], ()))
        self.server = XdsServer(self.store, census, self.metrics, tuple(options.items()))
        self.address = ""

    @property
    def opened(self) -> float:
        """How many streams ever got as far as a session."""
        return self.metrics.registry.get_sample_value("trimtab_xds_streams_opened_total") or 0

    async def probe(self) -> None:
        """What an honest client wants: an answer on a connection of its own."""
        async with XdsClient(self.address, PAYMENTS) as client:
            assert addresses(await client.response()) == {PAYMENTS: ["10.0.0.1"]}


@contextlib.asynccontextmanager
async def target(**options: int) -> AsyncIterator[Target]:
    """A server with the limits of production, except for `options`; dots are written as double underscores."""
    changed = {name.replace("__", "."): value for name, value in options.items()}
    attacked = Target(dict(OPTIONS) | changed)
    attacked.address = f"127.0.0.1:{await attacked.server.start('127.0.0.1:0')}"
    attacked.server.complete()
    try:
        yield attacked
    finally:
        await attacked.server.stop(None)


async def open_without_end(connection: RawConnection, number: int) -> None:
    await connection.send(headers(number) + message(number, REQUEST))


async def rapid_reset(connection: RawConnection, number: int) -> None:
    await connection.send(headers(number) + message(number, REQUEST) + reset(number))


async def made_to_reset(connection: RawConnection, number: int) -> None:
    # The server must reset this one: data after the end of the stream.
    await connection.send(headers(number) + frame(DATA, END_STREAM, number) + message(number, REQUEST))


@pytest.mark.parametrize("attack", [open_without_end, rapid_reset, made_to_reset])
async def test_streams_without_end_fail_no_honest_client(
    attack: Callable[[RawConnection, int], Awaitable[None]],
) -> None:
    async with target() as attacked, RawConnection.open(attacked.address) as connection:

        async def flood() -> None:
            # The server may hang up, which is all the better.
            with contextlib.suppress(ConnectionError):
                for number in range(1, 2 * ATTACK_STREAMS, 2):
                    await attack(connection, number)
                    await asyncio.sleep(0)

        async with asyncio.TaskGroup() as attackers:
            flooding = attackers.create_task(flood())
            discarding = attackers.create_task(_discard(connection))
            for _ in range(PROBES):
                await attacked.probe()
            await flooding
            discarding.cancel()
        await attacked.probe()
        # The attack got through, as far as one connection may; without the limit it would open streams by the thousand.
        assert 0 < attacked.opened - PROBES - 1 < ATTACK_STREAMS / 8


async def test_one_connection_holds_no_more_streams_than_it_may() -> None:
    async with target() as attacked, RawConnection.open(attacked.address) as connection:
        for number in range(1, 200, 2):
            await open_without_end(connection, number)
        await until(lambda: len(attacked.server.sessions) == MAX_STREAMS)
        await attacked.probe()
        assert attacked.opened == MAX_STREAMS + 1


async def test_a_client_that_answers_no_more_is_dropped() -> None:
    limits = {"grpc__keepalive_time_ms": 200, "grpc__http2__ping_timeout_ms": 2000}
    async with target(**limits) as attacked, RawConnection.open(attacked.address) as connection:
        await open_without_end(connection, 1)
        await until(lambda: len(attacked.server.sessions) == 1)
        for _ in range(5):
            await _pong(connection)
        assert len(attacked.server.sessions) == 1
        await until(lambda: not attacked.server.sessions)


async def test_a_client_that_pings_now_and_then_is_welcome() -> None:
    """gRPC's own limit is five minutes between two pings, and three too early are the end of the connection."""
    patience = {"grpc__http2__min_ping_interval_without_data_ms": 1}
    async with target(**patience) as attacked, RawConnection.open(attacked.address) as connection:
        await open_without_end(connection, 1)
        for number in range(6):
            sent = number.to_bytes(8)
            await connection.send(frame(PING, 0, 0, sent))
            await _answered(connection, sent)
            await asyncio.sleep(0.005)
        assert len(attacked.server.sessions) == 1


async def _answered(connection: RawConnection, sent: bytes) -> None:
    while True:
        kind, flags, payload = await connection.receive()
        assert kind != GOAWAY, payload
        if kind == PING and flags & ACK and payload == sent:
            return


async def _pong(connection: RawConnection) -> None:
    while True:
        kind, flags, payload = await connection.receive()
        if kind == PING and not flags & ACK:
            await connection.send(frame(PING, ACK, 0, payload))
            return


@pytest.mark.parametrize("said", [b"", PREFACE, b"GET / HTTP/1.1\r\n"])
async def test_who_connects_and_says_nothing_sensible_is_hung_up_on(said: bytes) -> None:
    async with target(grpc__server_handshake_timeout_ms=300) as attacked:
        host, _, port = attacked.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(said)
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError):
                await reader.read()
        writer.close()
        await attacked.probe()


async def test_there_is_an_end_to_connections() -> None:
    async with target(grpc__max_allowed_incoming_connections=3) as attacked:
        async with contextlib.AsyncExitStack() as connections:
            for _ in range(3):
                connection = await connections.enter_async_context(RawConnection.open(attacked.address))
                await connection.receive()
            surplus = await connections.enter_async_context(RawConnection.open(attacked.address))
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                async with asyncio.timeout(PATIENCE_S):
                    await surplus.receive()
        await attacked.probe()


def test_the_limits_are_those_that_were_decided() -> None:
    limits = dict(OPTIONS)
    assert limits["grpc.max_concurrent_streams"] == 16
    assert limits["grpc.http2.ping_timeout_ms"] == limits["grpc.server_handshake_timeout_ms"] == 10_000
    assert limits["grpc.max_allowed_incoming_connections"] == 10_000
    assert limits["grpc.max_receive_message_length"] == 4 << 20
    # Clients, our own among them, ping every 30 s.
    assert limits["grpc.http2.min_ping_interval_without_data_ms"] == 10_000


async def _discard(connection: RawConnection) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            await connection.receive()
