"""A connection to another replica of the control plane, over which it tells what it knows of the clients."""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

import grpc
import grpc.aio
import structlog

from ..errors import ProtocolError
from ..xds.backoff import Backoff
from ..xds.client_stream import ClientStream
from ..xds.discovery import ClientNode, DiscoveryResponse
from ..xds.resource_type import ADS_SERVICE, CENSUS, STREAM_AGGREGATED_RESOURCES, WILDCARD
from ..xds.service_census import ServiceCensus, decode_census

log = structlog.get_logger(__name__)

News = Mapping[str, ServiceCensus | None]
"""What another replica knows by service; None: nothing any more."""
Security = Callable[[], grpc.ChannelCredentials]
"""How to connect, asked anew each time, for certificates change."""
Listener = Callable[[str, News, bool], object]
"""Told the replica, the news, and whether that is all it knows."""

_METHOD = f"/{ADS_SERVICE}/{STREAM_AGGREGATED_RESOURCES}"
_OPTIONS = (
    # A half-open connection, as after a lost node, is noticed within 20 s.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    # All services that have clients come in one response.
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
)


class PeerLink:
    """Follows the replica at one address until cancelled."""

    def __init__(
        self,
        address: str,
        own_replica: str,
        listener: Listener,
        rng: random.Random,
        security: Security | None = None,
        server_name: str = "",
    ) -> None:
        """`server_name` is whose certificate the replica must have; empty: that of the host in its address."""
        self.address = address
        self._security = security
        self._options = (*_OPTIONS, ("grpc.ssl_target_name_override", server_name)) if server_name else _OPTIONS
        self.replica = ""
        """Who answers there; empty: nobody, or nobody with anything to say."""
        self._own_replica = own_replica
        self._listener = listener
        self._backoff = Backoff(rng)
        node = ClientNode(id=own_replica, user_agent="trimtab-control-plane")
        self._protocol: ClientStream[ServiceCensus] = ClientStream(CENSUS, node, decode_census)
        self._protocol.subscribe(WILDCARD)
        self._answered = False
        self._reported = False

    async def run(self, lost: Callable[[str], object]) -> None:
        """Stay connected; `lost` is told the replica whose stream ended. Returns once the address turns out to be our own."""
        while True:
            self._answered = False
            try:
                why = await self._converse()
            finally:
                self._protocol.disconnected()
                replica, self.replica = self.replica, ""
                if replica not in ("", self._own_replica):
                    lost(replica)
            if replica == self._own_replica:
                log.debug("peer is this process itself", peer=self.address)
                return
            # A stream that was answered once may end: its server grows old, or is replaced.
            if not self._answered and not self._reported:
                self._reported = True
                log.warning("peer cannot be reached", peer=self.address, why=why)
            await asyncio.sleep(self._backoff.next_s())

    async def _converse(self) -> str:
        """One stream from its beginning to its end; why it ended."""
        try:
            async with self._open() as channel:
                call: Any = channel.stream_stream(_METHOD)()
                await call.write(self._protocol.connected().serialize())
                while isinstance(data := await call.read(), bytes):
                    await call.write(self._received(data))
                    if self.replica == self._own_replica:
                        break
            return "the stream was closed"
        except grpc.aio.AioRpcError as error:
            return error.details() or error.code().name
        except (ProtocolError, asyncio.InvalidStateError) as error:
            # InvalidStateError: the stream ended while something was to be written.
            return str(error)

    def _open(self) -> grpc.aio.Channel:
        if self._security is None:
            return grpc.aio.insecure_channel(self.address, options=self._options)
        return grpc.aio.secure_channel(self.address, self._security(), options=self._options)

    def _received(self, data: bytes) -> bytes:
        """Take in a response; the answer to it. Raises ProtocolError."""
        reaction = self._protocol.received(DiscoveryResponse.parse(data))
        said = {update.name: update.resource for update in reaction.updates if update.resource is not None}
        # The first response of which we know whose it is holds everything there is: what it does not mention is no more.
        everything = not self.replica
        self.replica = self.replica or next((census.replica for census in said.values() if census.replica), "")
        self._backoff.reset()
        self._answered, self._reported = True, False
        if self.replica not in ("", self._own_replica):
            news = {name: census if census.replica else None for name, census in said.items()}
            self._listener(self.replica, news, everything)
        return reaction.request.serialize()
