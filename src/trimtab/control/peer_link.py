"""A connection to another replica of the control plane, over which it tells what it knows."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import grpc
import grpc.aio
import structlog

from ..errors import ProtocolError
from ..xds.backoff import Backoff
from ..xds.client_stream import ClientStream
from ..xds.discovery import ClientNode, DiscoveryResponse
from ..xds.resource_type import ADS_SERVICE, STREAM_AGGREGATED_RESOURCES, WILDCARD

log = structlog.get_logger(__name__)

Security = Callable[[], grpc.ChannelCredentials]
"""How to connect, asked anew each time, for certificates change."""


class Said(Protocol):
    """What a replica says of one service."""

    @property
    def replica(self) -> str:
        """Who says so; empty: there is nothing to say any more."""
        ...


S = TypeVar("S", bound=Said)


@dataclass(frozen=True, slots=True)
class Topic(Generic[S]):
    """Something that replicas tell each other of services."""

    type_url: str
    decode: Callable[[bytes, str], tuple[str, S]]
    """The service and what is said of it. Raises ProtocolError."""
    listener: Callable[[str, Mapping[str, S | None], bool], Awaitable[None]]
    """Told the replica, the news by service (None: nothing any more), and whether that is all it knows."""


_MUCH = 64 << 10
"""A response of so many bytes is taken apart in a thread, for streams must go on meanwhile."""
_METHOD = f"/{ADS_SERVICE}/{STREAM_AGGREGATED_RESOURCES}"
_OPTIONS = (
    # A half-open connection, as after a lost node, is noticed within 20 s.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    # All services come in one response: 7 MB for a hundred thousand endpoints.
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.use_local_subchannel_pool", 1),
)


class _Subscription(Generic[S]):
    """One topic on one link."""

    def __init__(self, topic: Topic[S], node: ClientNode) -> None:
        self._topic = topic
        self.protocol: ClientStream[S] = ClientStream(topic.type_url, node, topic.decode)
        self.protocol.subscribe(WILDCARD)
        self._told = False
        self._said: dict[str, S] = {}

    def connected(self) -> bytes:
        self._told = False
        return self.protocol.connected().serialize()

    def received(self, response: DiscoveryResponse) -> bytes:
        """The answer. Raises ProtocolError."""
        reaction = self.protocol.received(response)
        self._said = {update.name: update.resource for update in reaction.updates if update.resource is not None}
        self.protocol.let_go()
        return reaction.request.serialize()

    @property
    def speaker(self) -> str:
        """Who sent what was received last; empty: it does not say."""
        return next((said.replica for said in self._said.values() if said.replica), "")

    async def tell(self, replica: str) -> None:
        """Pass on what was received last."""
        # The first response of which we know whose it is holds everything there is: what it does not mention is no more.
        everything, self._told = not self._told, True
        said, self._said = self._said, {}
        await self._topic.listener(
            replica, {name: one if one.replica else None for name, one in said.items()}, everything
        )


class PeerLink:
    """Follows the replica at one address until cancelled."""

    def __init__(
        self,
        address: str,
        own_replica: str,
        topics: Sequence[Topic[Any]],
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
        self._backoff = Backoff(rng)
        node = ClientNode(id=own_replica, user_agent="trimtab-control-plane")
        self._subscriptions = {topic.type_url: _Subscription(topic, node) for topic in topics}
        self._silent = set(self._subscriptions)
        self.settled = asyncio.Event()
        """What there is to be heard at first was heard, or could not be."""
        self._answered = False
        self._reported = False

    async def run(self, lost: Callable[[str], object]) -> None:
        """Stay connected; `lost` is told the replica whose stream ended. Returns once the address turns out to be our own."""
        while True:
            self._answered = False
            try:
                why = await self._converse()
            finally:
                self.settled.set()
                for subscription in self._subscriptions.values():
                    subscription.protocol.disconnected()
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
                for subscription in self._subscriptions.values():
                    await call.write(subscription.connected())
                while isinstance(data := await call.read(), bytes):
                    await call.write(await self._received(data))
                    if self.replica == self._own_replica:
                        break
            return "the stream was closed"
        except grpc.aio.AioRpcError as error:
            return error.details() or error.code().name
        except (ProtocolError, asyncio.InvalidStateError) as error:
            # InvalidStateError: the stream ended while something was to be written.
            return str(error)
        except Exception as error:
            # Whatever it said, it may say something better next time: nobody else would connect to it again.
            log.exception("what a peer said could not be taken in", peer=self.address, replica=self.replica)
            return str(error) or type(error).__name__

    def _open(self) -> grpc.aio.Channel:
        if self._security is None:
            return grpc.aio.insecure_channel(self.address, options=self._options)
        return grpc.aio.secure_channel(self.address, self._security(), options=self._options)

    async def _received(self, data: bytes) -> bytes:
        """Take in a response; the answer to it. Raises ProtocolError."""
        if len(data) > _MUCH:
            subscription, answer = await asyncio.to_thread(self._read, data)
        else:
            subscription, answer = self._read(data)
        self.replica = self.replica or subscription.speaker
        self._answered, self._reported = True, False
        if self.replica not in ("", self._own_replica):
            await subscription.tell(self.replica)
        self._backoff.reset()
        if not self._silent:
            self.settled.set()
        return answer

    def _read(self, data: bytes) -> tuple[_Subscription[Any], bytes]:
        response = DiscoveryResponse.parse(data)
        subscription = self._subscriptions.get(response.type_url)
        if subscription is None:
            raise ProtocolError(f"a response of type {response.type_url!r}, which was not subscribed to")
        self._silent.discard(response.type_url)
        return subscription, subscription.received(response)
