"""The server over a real connection."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.control.objects import endpoint, endpoint_slice, service
from tests.control.xds_client import PATIENCE_S, XdsClient, addresses, until
from tests.xds.envoy_messages import discovery_pb2
from trimtab.control import allowance
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.kubernetes import Object
from trimtab.control.metrics import Metrics
from trimtab.control.resource_store import ResourceStore
from trimtab.control.xds_server import XdsServer
from trimtab.errors import ServeError
from trimtab.xds import subscription
from trimtab.xds.delta_discovery import DeltaRequest
from trimtab.xds.discovery import ClientNode, DiscoveryRequest
from trimtab.xds.resource_type import (
    ADS_SERVICE,
    CLUSTERS,
    DELTA_AGGREGATED_RESOURCES,
    EDS_SERVICE,
    ENDPOINTS,
    STREAM_AGGREGATED_RESOURCES,
    STREAM_ENDPOINTS,
)

PAYMENTS = "payments.prod:8080"


@dataclass
class Control:
    """A running server and what it serves."""

    catalog: Catalog
    store: ResourceStore
    server: XdsServer
    metrics: Metrics
    address: str

    def apply(self, *objects: Object) -> None:
        self.store.apply(self.catalog.apply(objects, ()))

    async def until_streams(self, count: int) -> None:
        await until(lambda: len(self.server.sessions) == count)

    async def until_acked(self) -> None:
        """A change is sent at once only to who has answered what came before."""
        streams = (session.stream for session in self.server.sessions)
        deliveries = [subscription.delivery for stream in streams for subscription in stream.subscriptions]
        await until(lambda: not any(delivery.outstanding for delivery in deliveries))


@pytest.fixture
async def control() -> AsyncIterator[Control]:
    catalog, census, metrics = Catalog(), Census(), Metrics()
    store = ResourceStore(catalog, census)
    server = XdsServer(store, census, metrics)
    port = await server.start("127.0.0.1:0")
    running = Control(catalog, store, server, metrics, f"127.0.0.1:{port}")
    running.apply(service(), service(name="orders"), endpoint_slice(endpoint("10.0.0.1")))
    server.complete()
    yield running
    await server.stop(None)


async def test_a_change_reaches_those_who_asked_and_nobody_else(control: Control) -> None:
    async with XdsClient(control.address, PAYMENTS) as payer, XdsClient(control.address, "orders.prod:8080") as orderer:
        assert addresses(await payer.response()) == {PAYMENTS: ["10.0.0.1"]}
        await orderer.response()
        control.apply(endpoint_slice(endpoint("10.0.0.2")))
        assert addresses(await payer.response()) == {PAYMENTS: ["10.0.0.2"]}
        control.apply(endpoint_slice(endpoint("10.0.0.3"), name="orders-1", of="orders"))
        assert addresses(await orderer.response()) == {"orders.prod:8080": ["10.0.0.3"]}


async def test_all_forms_of_a_name_get_the_same_endpoints(control: Control) -> None:
    names = ("payments.prod:8080", "payments.prod:grpc", "payments.prod", "payments.prod.svc.cluster.local:8080")
    async with XdsClient(control.address, *names) as client:
        assert addresses(await client.response()) == {name: ["10.0.0.1"] for name in names}


async def test_a_stream_opened_before_the_first_load_is_answered_when_it_is_complete() -> None:
    catalog, census = Catalog(), Census()
    store = ResourceStore(catalog, census)
    server = XdsServer(store, census, Metrics())
    port = await server.start("127.0.0.1:0")
    try:
        async with XdsClient(f"127.0.0.1:{port}", PAYMENTS) as client:
            waiting = asyncio.ensure_future(client.response())
            await asyncio.sleep(0.1)
            assert not waiting.done()
            store.apply(catalog.apply([service(), endpoint_slice(endpoint("10.0.0.1"))], ()))
            server.complete()
            assert addresses(await waiting) == {PAYMENTS: ["10.0.0.1"]}
    finally:
        await server.stop(None)


async def test_garbage_ends_its_own_stream_and_no_other(control: Control) -> None:
    async with XdsClient(control.address, PAYMENTS) as honest, XdsClient(control.address, PAYMENTS) as hostile:
        await honest.response()
        await hostile.response()
        await hostile.call.write(b"\xff\xff\xff")
        assert await hostile.call.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "3 bytes that are not a DiscoveryRequest" in await hostile.call.details()
        control.apply(endpoint_slice(endpoint("10.0.0.2")))
        assert addresses(await honest.response()) == {PAYMENTS: ["10.0.0.2"]}


async def test_why_a_stream_was_ended_is_told_however_much_was_said(control: Control) -> None:
    async with grpc.aio.insecure_channel(control.address) as channel:
        call: Any = channel.stream_stream(f"/{EDS_SERVICE}/{STREAM_ENDPOINTS}")()
        await call.write(DiscoveryRequest("x" * 500_000, (PAYMENTS,)).serialize())
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert (await call.details()).startswith("a request for xxx")


async def test_who_asks_for_too_much_is_told_so_and_no_other_is_harmed(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "NAMES_MAX", 3)
    async with XdsClient(control.address, PAYMENTS) as honest, XdsClient(control.address, *"abcd") as greedy:
        await honest.response()
        assert await greedy.call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "more than 3 names" in await greedy.call.details()
        control.apply(endpoint_slice(endpoint("10.0.0.2")))
        assert addresses(await honest.response()) == {PAYMENTS: ["10.0.0.2"]}


async def test_the_streams_of_one_connection_are_bounded_together(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowance, "NAMES_MAX", 5)
    async with grpc.aio.insecure_channel(control.address) as channel, XdsClient(control.address, *"uvwxy") as other:
        calls = []
        for names in (("a", "b", "c"), ("d", "e", "f"), ("g", "h")):
            call: Any = channel.stream_stream(f"/{EDS_SERVICE}/{STREAM_ENDPOINTS}")()
            await call.write(DiscoveryRequest(ENDPOINTS, names).serialize())
            calls.append(call)
            if len(calls) == 2:
                assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                assert "more than 5 names on the streams of one connection" in await call.details()
            else:
                await call.read()
        await other.response()
        assert control.metrics.registry.get_sample_value("trimtab_xds_limits_exceeded_total") == 1
        assert not calls[0].done()
        assert not calls[2].done()


async def test_a_client_that_closes_its_half_at_once_still_gets_what_it_asked_for(control: Control) -> None:
    for _ in range(20):
        async with XdsClient(control.address, PAYMENTS) as client:
            await client.call.done_writing()
            assert addresses(await client.response(ack=False)) == {PAYMENTS: ["10.0.0.1"]}
            assert await client.call.code() is grpc.StatusCode.OK


async def test_a_client_that_does_not_ack_gets_the_newest_state_when_it_does(control: Control) -> None:
    async with XdsClient(control.address, PAYMENTS) as client:
        first = await client.response(ack=False)
        for host in range(2, 50):
            control.apply(endpoint_slice(endpoint(f"10.0.0.{host}")))
        await client.ask(first.nonce)
        assert addresses(await client.response()) == {PAYMENTS: ["10.0.0.49"]}


async def test_a_nack_is_counted(control: Control) -> None:
    async with XdsClient(control.address, PAYMENTS) as client:
        first = await client.response(ack=False)
        await client.ask(first.nonce, error="cannot use it")
        # A stream handles its requests in order: once the next change is out, the NACK was taken in.
        control.apply(endpoint_slice(endpoint("10.0.0.2")))
        await client.response()
    assert control.metrics.registry.get_sample_value("trimtab_xds_rejects_total", {"type": "eds"}) == 1


async def test_a_stream_that_ends_leaves_nothing_behind(control: Control) -> None:
    async with XdsClient(control.address, PAYMENTS) as client:
        await client.response()
        await control.until_streams(1)
    await control.until_streams(0)
    assert control.metrics.registry.get_sample_value("trimtab_xds_streams") == 0
    assert control.store.watchers == 0


async def test_endpoints_may_be_asked_for_on_a_stream_of_their_own(control: Control) -> None:
    async with grpc.aio.insecure_channel(control.address) as channel:
        call: Any = channel.stream_stream(f"/{EDS_SERVICE}/{STREAM_ENDPOINTS}")()
        await call.write(DiscoveryRequest("", (PAYMENTS,)).serialize())
        response = discovery_pb2.DiscoveryResponse.FromString(await call.read())
        assert response.type_url == ENDPOINTS
        await call.write(DiscoveryRequest(CLUSTERS, (PAYMENTS,)).serialize())
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_envoy_of_thousands_of_services_may_connect_again(control: Control) -> None:
    held = {f"checkout-service-{index:05}.team-payments:8080": "0123456789abcdef" for index in range(20_000)}
    request = DeltaRequest(ENDPOINTS, (PAYMENTS, *held), initial_versions=held, node=ClientNode(user_agent="envoy"))
    async with grpc.aio.insecure_channel(control.address) as channel:
        call: Any = channel.stream_stream(f"/{ADS_SERVICE}/{DELTA_AGGREGATED_RESOURCES}")()
        await call.write(request.serialize())
        async with asyncio.timeout(PATIENCE_S):
            data = await call.read()
        assert isinstance(data, bytes), await call.details()
        response = discovery_pb2.DeltaDiscoveryResponse.FromString(data)
        assert [resource.name for resource in response.resources] == [PAYMENTS]
        assert set(response.removed_resources) == set(held)


async def test_a_second_server_on_the_same_port_is_a_clear_error(control: Control) -> None:
    second = XdsServer(control.store, Census(), Metrics())
    with pytest.raises(ServeError, match=f"cannot listen on {control.address} for xDS: Address already in use;"):
        await second.start(control.address)


async def test_a_host_that_is_not_there_is_a_clear_error(control: Control) -> None:
    server = XdsServer(control.store, Census(), Metrics())
    # A name that never exists (RFC 6761); what the resolver says about it differs.
    with pytest.raises(ServeError, match=r"for xDS: .+; choose another with --listen") as caught:
        await server.start("nowhere.invalid:18000")
    assert "in use" not in str(caught.value)


async def test_stopping_ends_streams_after_what_was_due(control: Control) -> None:
    async with XdsClient(control.address, PAYMENTS) as client:
        await client.response()
        await control.until_acked()
        control.apply(endpoint_slice(endpoint("10.0.0.2")))
        stopping = asyncio.ensure_future(control.server.stop(5.0))
        assert addresses(await client.response(ack=False)) == {PAYMENTS: ["10.0.0.2"]}
        assert await client.call.read() is grpc.aio.EOF
        await stopping


async def test_a_stream_that_has_not_asked_yet_is_answered_before_it_is_drained(control: Control) -> None:
    async with grpc.aio.insecure_channel(control.address) as channel:
        call: Any = channel.stream_stream(f"/{ADS_SERVICE}/{STREAM_AGGREGATED_RESOURCES}")()
        await control.until_streams(1)
        stopping = asyncio.ensure_future(control.server.stop(PATIENCE_S))
        await asyncio.sleep(0.05)
        await call.write(DiscoveryRequest(ENDPOINTS, (PAYMENTS,)).serialize())
        response = discovery_pb2.DiscoveryResponse.FromString(await call.read())
        assert addresses(response) == {PAYMENTS: ["10.0.0.1"]}
        assert await call.read() is grpc.aio.EOF
        await stopping


async def test_one_connection_cannot_open_streams_without_end(control: Control) -> None:
    request = DiscoveryRequest(ENDPOINTS, (PAYMENTS,)).serialize()

    def requests() -> Iterator[bytes]:
        yield request
        ended.wait(PATIENCE_S)

    # The synchronous client: it opens streams from threads of its own, so that those which must wait block nobody.
    ended = threading.Event()
    with grpc.insecure_channel(control.address) as channel:
        open_stream: Any = channel.stream_stream(f"/{ADS_SERVICE}/{STREAM_AGGREGATED_RESOURCES}")
        calls = [open_stream(requests()) for _ in range(40)]
        await control.until_streams(16)
        await asyncio.sleep(0.2)
        assert len(control.server.sessions) == 16
        ended.set()
        for call in calls:
            call.cancel()


async def test_stopping_before_the_first_load_tells_those_who_wait_to_go_elsewhere() -> None:
    census = Census()
    server = XdsServer(ResourceStore(Catalog(), census), census, Metrics())
    port = await server.start("127.0.0.1:0")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: Any = channel.stream_stream(f"/{ADS_SERVICE}/{STREAM_AGGREGATED_RESOURCES}")()
        await call.write(DiscoveryRequest(ENDPOINTS, (PAYMENTS,)).serialize())
        # What comes later on the same connection is answered, so the stream has arrived.
        check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        await check(b"")
        stopping = asyncio.ensure_future(server.stop(PATIENCE_S))
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert await call.details() == "shutting down before the first load was complete"
        await stopping
