"""A plain xDS client over a real connection."""

import asyncio
from collections.abc import Callable
from typing import Any, Self

import grpc
import grpc.aio

from tests.xds.envoy_messages import discovery_pb2, endpoint_pb2
from trimtab.model import Locality
from trimtab.xds.discovery import ClientNode, DiscoveryRequest
from trimtab.xds.identifier import SEEN
from trimtab.xds.resource_type import ADS_SERVICE, ENDPOINTS, STREAM_AGGREGATED_RESOURCES

PATIENCE_S = 60.0


class XdsClient:
    """Asks for endpoints over ADS and ACKs what it gets, unless told not to."""

    def __init__(self, server: str, *names: str, zone: str = "", seen: int = 0) -> None:
        self._channel = grpc.aio.insecure_channel(server, options=[("grpc.use_local_subchannel_pool", 1)])
        self._names = names
        metadata = {SEEN: str(seen)} if seen else {}
        self._node = ClientNode(id="test", locality=Locality(zone=zone), metadata=metadata)
        self.call: Any = self._channel.stream_stream(f"/{ADS_SERVICE}/{STREAM_AGGREGATED_RESOURCES}")(
            wait_for_ready=True
        )

    async def __aenter__(self) -> Self:
        await self.ask()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._channel.close()

    async def ask(self, nonce: str = "", error: str | None = None) -> None:
        """Send a request for all names."""
        request = DiscoveryRequest(ENDPOINTS, self._names, nonce=nonce, error=error, node=self._node)
        await self.call.write(request.serialize())

    async def response(self, *, ack: bool = True) -> discovery_pb2.DiscoveryResponse:
        """The next response."""
        async with asyncio.timeout(PATIENCE_S):
            data = await self.call.read()
        assert isinstance(data, bytes), "the stream ended"
        response = discovery_pb2.DiscoveryResponse.FromString(data)
        if ack:
            await self.ask(response.nonce)
        return response


def addresses(response: discovery_pb2.DiscoveryResponse) -> dict[str, list[str]]:
    """Endpoint addresses by the name of their service."""
    found = {}
    for resource in response.resources:
        assignment = endpoint_pb2.ClusterLoadAssignment.FromString(resource.value)
        found[assignment.cluster_name] = [
            endpoint.endpoint.address.socket_address.address
            for locality in assignment.endpoints
            for endpoint in locality.lb_endpoints
        ]
    return found


async def until(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds; it is looked at every few milliseconds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for is on the other side of a socket
            await asyncio.sleep(0.005)
