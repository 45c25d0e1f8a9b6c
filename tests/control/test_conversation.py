"""How a stream is carried, with a transport that takes its time."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest

from tests.control.objects import endpoint, endpoint_slice, service
from tests.control.xds_client import addresses
from tests.xds.envoy_messages import discovery_pb2
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.conversation import Conversation
from trimtab.control.metrics import Metrics
from trimtab.control.progress import Progress
from trimtab.control.resource_store import ResourceStore
from trimtab.control.session import Session
from trimtab.control.turn import Turn
from trimtab.errors import ProtocolError
from trimtab.xds.discovery import ClientNode, DiscoveryRequest
from trimtab.xds.identifier import SEEN
from trimtab.xds.resource_type import CLUSTERS, ENDPOINTS
from trimtab.xds.sotw import StateOfTheWorld

PAYMENTS = "payments.prod:8080"
GARBAGE = b"\xff\xff\xff"


class Context:
    """A transport that reads and writes when told."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.reads = 0
        self.kept = 0
        """Messages that were written by coroutines which did not come to their end."""
        self._reading: asyncio.Future[Any] | None = None
        self._writing: asyncio.Future[None] | None = None

    async def read(self) -> Any:
        self.reads += 1
        self._reading = asyncio.get_running_loop().create_future()
        return await self._reading

    async def write(self, data: bytes) -> None:
        assert self.kept == 0, "one write at a time"
        self.kept += 1
        self.written.append(data)
        self._writing = asyncio.get_running_loop().create_future()
        await self._writing
        self.kept -= 1

    def arrive(self, data: Any) -> None:
        assert self._reading is not None
        self._reading.set_result(data)

    async def say(self, data: Any) -> None:
        self.arrive(data)
        await _settled()

    async def take(self, error: Exception | None = None) -> None:
        assert self._writing is not None
        if error is None:
            self._writing.set_result(None)
        else:
            self._writing.set_exception(error)
        await _settled()


async def _settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Held:
    """A conversation under way."""

    def __init__(self) -> None:
        self.catalog, census, metrics = Catalog(), Census(), Metrics()
        self.progress = Progress(ask_for_look=lambda: None)
        self.progress.advance(10, 10)
        self.store = ResourceStore(self.catalog, census, self.progress)
        self.store.apply(self.catalog.apply([service()], ()))
        self.change("10.0.0.1")
        self.session = Session("test", StateOfTheWorld(), self.store, census, metrics, only=None)
        self.context, self.draining = Context(), asyncio.Event()
        conversation = Conversation(self.session, self.context, Turn(), self.draining)
        self.task = asyncio.create_task(self._hold(conversation))

    async def _hold(self, conversation: Conversation) -> None:
        try:
            await conversation.hold()
        finally:
            self.session.close()

    def change(self, address: str) -> None:
        self.store.apply(self.catalog.apply([endpoint_slice(endpoint(address))], ()))

    async def ask(self, nonce: str = "", seen: int = 0) -> None:
        node = ClientNode(metadata={SEEN: str(seen)})
        await self.context.say(DiscoveryRequest(ENDPOINTS, (PAYMENTS,), nonce=nonce, node=node).serialize())

    @staticmethod
    def request(type_url: str) -> bytes:
        return DiscoveryRequest(type_url, (PAYMENTS,)).serialize()

    async def ask_for_clusters(self) -> None:
        await self.context.say(self.request(CLUSTERS))

    def types(self) -> list[str]:
        return [discovery_pb2.DiscoveryResponse.FromString(data).type_url for data in self.context.written]

    def told(self) -> list[list[str]]:
        responses = map(discovery_pb2.DiscoveryResponse.FromString, self.context.written)
        return [addresses(response)[PAYMENTS] for response in responses]


@pytest.fixture
async def held() -> AsyncIterator[Held]:
    held = Held()
    await _settled()
    yield held
    held.task.cancel()
    await asyncio.gather(held.task, return_exceptions=True)


async def test_changes_of_one_turn_are_one_response(held: Held) -> None:
    await held.ask()
    await held.context.take()
    await held.ask(nonce="1")
    held.change("10.0.0.2")
    held.change("10.0.0.3")
    await _settled()
    assert held.told() == [["10.0.0.1"], ["10.0.0.3"]]


async def test_while_the_transport_is_busy_changes_collapse_into_the_newest_state(held: Held) -> None:
    await held.ask()
    # The client may have read and answered before the transport says that it wrote.
    await held.ask(nonce="1")
    for host in range(2, 100):
        held.change(f"10.0.0.{host}")
        await _settled()
    assert held.told() == [["10.0.0.1"]]
    await held.context.take()
    assert held.told() == [["10.0.0.1"], ["10.0.0.99"]]


async def test_who_closes_its_half_still_gets_what_it_asked_for(held: Held) -> None:
    await held.ask()
    await held.context.say(grpc.aio.EOF)
    assert not held.task.done()
    await held.context.take()
    assert held.task.done()
    await held.task


async def test_a_stream_is_drained_once_what_was_due_is_written(held: Held) -> None:
    held.draining.set()
    held.session.wake()
    await _settled()
    await held.ask()
    assert not held.task.done()
    await held.context.take()
    assert held.told() == [["10.0.0.1"]]
    assert held.task.done()


async def test_a_broken_transport_ends_the_conversation(held: Held) -> None:
    await held.ask()
    await held.context.take(ConnectionError("gone"))
    # Where nothing can be written any more there is nothing to be read either.
    await held.context.say(grpc.aio.EOF)
    with pytest.raises(ConnectionError, match="gone"):
        await held.task


async def test_a_write_that_failed_is_told_when_the_next_is_due(held: Held) -> None:
    await held.ask()
    await held.context.take(ConnectionError("gone"))
    await held.ask_for_clusters()
    with pytest.raises(ConnectionError, match="gone"):
        await held.task


async def test_what_the_client_never_acks_holds_up_no_other_type(held: Held) -> None:
    await held.ask()
    await held.ask_for_clusters()
    assert held.types() == [ENDPOINTS], "one write at a time"
    await held.context.take()
    assert held.types() == [ENDPOINTS, CLUSTERS]


async def test_of_two_types_that_are_due_the_second_follows_once_the_first_is_written(held: Held) -> None:
    held.context.arrive(held.request(ENDPOINTS))
    await asyncio.sleep(0)
    held.context.arrive(held.request(CLUSTERS))
    await _settled()
    assert held.types() == [CLUSTERS]
    await held.context.take()
    assert held.types() == [CLUSTERS, ENDPOINTS]


async def test_an_ack_frees_what_was_kept_of_the_response(held: Held) -> None:
    await held.ask()
    await held.context.take()
    assert held.context.kept == 1
    await held.ask(nonce="1")
    assert held.context.kept == 0


async def test_a_stream_that_ends_frees_what_was_kept_of_a_response_without_an_ack(held: Held) -> None:
    await held.ask()
    await held.context.take()
    held.task.cancel()
    await _settled()
    assert held.context.kept == 0


async def test_a_write_under_way_when_the_stream_ends_is_brought_to_its_end(held: Held) -> None:
    await held.ask()
    held.task.cancel()
    await _settled()
    assert held.context.kept == 1
    await held.context.take()
    assert held.context.kept == 0


async def test_a_client_that_breaks_the_protocol_is_heard_no_more(held: Held) -> None:
    await held.context.say(GARBAGE)
    with pytest.raises(ProtocolError):
        await held.task
    assert held.context.written == []


async def test_a_stream_ends_for_what_its_client_said_once_nothing_is_being_written(held: Held) -> None:
    await held.ask()
    await held.context.say(GARBAGE)
    reads = held.context.reads
    await held.context.say(GARBAGE)
    assert held.context.reads == reads, "it is heard no more"
    assert not held.task.done()
    await held.context.take()
    with pytest.raises(ProtocolError):
        await held.task
    assert held.told() == [["10.0.0.1"]]


async def test_a_client_that_has_seen_more_waits_though_the_server_drains(held: Held) -> None:
    held.draining.set()
    held.session.wake()
    await _settled()
    await held.ask(seen=11)
    assert held.context.written == []
    held.progress.advance(11, 11)
    await _settled()
    assert held.told() == [["10.0.0.1"]]
    await held.context.take()
    assert held.task.done()


async def test_a_client_that_goes_before_it_is_heard_leaves_nothing_in_the_store(held: Held) -> None:
    # It goes in the very turn of the event loop in which its request comes.
    held.context.arrive(DiscoveryRequest(ENDPOINTS, (PAYMENTS,)).serialize())
    held.task.cancel()
    await _settled()
    assert held.store.watchers == 0


async def test_what_has_ended_is_freed_without_a_collection(held: Held) -> None:
    await held.ask()
    await held.context.take()
    gc.collect()
    gc.disable()
    try:
        await held.context.say(grpc.aio.EOF)
        await held.task
        await _settled()
        assert [each for each in gc.get_objects() if isinstance(each, Conversation)] == []
    finally:
        gc.enable()
