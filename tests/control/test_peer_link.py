"""A link to a replica that says what it should not."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc
import grpc.aio

from tests.control.xds_client import until
from trimtab.control.peer_link import PeerLink, Topic
from trimtab.xds.discovery import encode_contents, encode_nonce, encode_resource
from trimtab.xds.resource_type import ADS_SERVICE, CENSUS, STREAM_AGGREGATED_RESOURCES
from trimtab.xds.service_census import ServiceCensus, decode_census, encode_census

SERVICE = "payments.prod:8080"


@contextlib.asynccontextmanager
async def replica_that_says(said: ServiceCensus) -> AsyncIterator[str]:
    """Its address; it says the same on every stream."""

    async def serve(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        entry = encode_resource(CENSUS, SERVICE, encode_census(said).body)
        await context.write(encode_contents(CENSUS, "1", [entry]) + encode_nonce("1"))
        async for _ in requests:
            pass

    handler: Any = grpc.stream_stream_rpc_method_handler(serve)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(ADS_SERVICE, {STREAM_AGGREGATED_RESOURCES: handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def test_a_replica_that_says_what_cannot_be_taken_in_is_asked_again() -> None:
    heard: list[Mapping[str, ServiceCensus | None]] = []
    lost: list[str] = []

    async def listener(replica: str, news: Mapping[str, ServiceCensus | None], everything: bool) -> None:
        heard.append(news)
        if len(heard) == 1:
            raise ValueError(replica)

    said = ServiceCensus("replica-1", {"a": 1})
    async with replica_that_says(said) as address:
        link = PeerLink(address, "replica-0", [Topic(CENSUS, decode_census, listener)], random.Random(1))
        running = asyncio.create_task(link.run(lost.append))
        try:
            await until(lambda: len(heard) == 2 or running.done())
            assert heard == [{SERVICE: said}] * 2
            assert lost == ["replica-1"]
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
