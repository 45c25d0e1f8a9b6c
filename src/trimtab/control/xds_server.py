"""The gRPC server that clients connect to: bytes in, bytes out. What they mean is `xds`'s business."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Any
from weakref import WeakValueDictionary

import grpc
import grpc.aio
import structlog

from ..errors import LimitExceeded, ProtocolError, ServeError
from ..xds.delta import Incremental
from ..xds.resource_type import (
    ADS_SERVICE,
    DELTA_AGGREGATED_RESOURCES,
    DELTA_ENDPOINTS,
    EDS_SERVICE,
    ENDPOINTS,
    STREAM_AGGREGATED_RESOURCES,
    STREAM_ENDPOINTS,
)
from ..xds.server_stream import Wire
from ..xds.sotw import StateOfTheWorld
from .allowance import Allowance
from .arrivals import Arrivals
from .census import Census
from .certificates import Certificates
from .conversation import Conversation
from .health_service import HealthService, first_of
from .metrics import Metrics
from .resource_store import ResourceStore
from .session import Session
from .turn import Turn

log = structlog.get_logger(__name__)

# A default grpc.aio server falls to one hostile connection; an xDS client needs one stream or two (docs/adr/0011).
OPTIONS = (
    ("grpc.max_concurrent_streams", 16),
    # After a reconnect an Envoy names all it holds, with versions: about 115 bytes for each service port.
    ("grpc.max_receive_message_length", 4 << 20),
    ("grpc.max_metadata_size", 8 << 10),
    ("grpc.http2.max_ping_strikes", 2),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Without it a ping may go unanswered for a minute, whatever the keepalive timeout says.
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_allowed_incoming_connections", 10_000),
    ("grpc.max_connection_age_ms", 1_800_000),
    ("grpc.max_connection_age_grace_ms", 10_000),
    # Requests are small: windows need not grow, and nobody has to ping after every ACK to find out how far they could.
    ("grpc.http2.bdp_probe", 0),
    # A second server on the same port must fail, not share it.
    ("grpc.so_reuseport", 0),
)
_TEXT_TOLD = 1_000
"""Characters of why a stream was ended."""

_DIALECTS: dict[str, dict[str, tuple[Wire, str | None]]] = {
    ADS_SERVICE: {
        STREAM_AGGREGATED_RESOURCES: (StateOfTheWorld(), None),
        DELTA_AGGREGATED_RESOURCES: (Incremental(), None),
    },
    EDS_SERVICE: {
        STREAM_ENDPOINTS: (StateOfTheWorld(), ENDPOINTS),
        DELTA_ENDPOINTS: (Incremental(), ENDPOINTS),
    },
}


class XdsServer:
    """Serves the store to whoever connects, once it is complete."""

    def __init__(
        self,
        store: ResourceStore,
        census: Census,
        metrics: Metrics,
        options: Sequence[tuple[str, int]] = OPTIONS,
        certificates: Certificates | None = None,
    ) -> None:
        """With `certificates` clients speak TLS, or they are refused."""
        self._store = store
        self._census = census
        self._metrics = metrics
        self._certificates = certificates
        self._arrivals = Arrivals() if certificates is None else certificates.arrivals
        self._allowances = WeakValueDictionary[str, Allowance]()
        """By connection, for as long as it has streams: two that are open have no address in common."""
        self._complete = asyncio.Event()
        self._draining = asyncio.Event()
        self._turn = Turn()
        self._server = grpc.aio.server(options=options)
        health = HealthService(_DIALECTS, self._complete, self._draining)
        self._server.add_generic_rpc_handlers((health.handler(), *map(self._service, _DIALECTS)))
        self.sessions: set[Session] = set()

    def complete(self) -> None:
        """The first load is complete: streams are answered from now on."""
        self._complete.set()

    async def start(self, listen: str) -> int:
        """Listen; the port that was bound. Raises ServeError if the address cannot be had."""
        # Asked first: when gRPC fails it writes lines of its own to stderr.
        why = await _why_not(listen)
        try:
            port = 0 if why else self._bind(listen)
        except RuntimeError as error:
            why = str(error)
        if why:
            raise ServeError(f"cannot listen on {listen} for xDS: {why}; choose another with --listen")
        await self._server.start()
        return port

    def _bind(self, listen: str) -> int:
        if self._certificates is None:
            return self._server.add_insecure_port(listen)
        self._arrivals.start()
        return self._server.add_secure_port(listen, self._certificates.server_credentials())

    async def stop(self, grace_s: float | None) -> None:
        """Take no more streams, finish what is due on the open ones, then close."""
        self._draining.set()
        for session in self.sessions:
            session.wake()
        await self._server.stop(grace_s)
        self._arrivals.stop()

    def _service(self, name: str) -> grpc.GenericRpcHandler:
        handlers: dict[str, Any] = {
            method: grpc.stream_stream_rpc_method_handler(self._handler(wire, only))
            for method, (wire, only) in _DIALECTS[name].items()
        }
        return grpc.method_handlers_generic_handler(name, handlers)

    def _handler(self, wire: Wire, only: str | None) -> Any:
        async def serve(_: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
            self._arrivals.entered(context.peer())
            try:
                await answer(context)
            finally:
                self._arrivals.left(context.peer())

        async def answer(context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
            await first_of(self._complete, self._draining)
            if not self._complete.is_set():
                await context.abort(grpc.StatusCode.UNAVAILABLE, "shutting down before the first load was complete")
            peer = context.peer()
            session = Session(
                peer,
                wire,
                self._store,
                self._census,
                self._metrics,
                only=only,
                allowance=self._allowances.setdefault(peer, Allowance()),
            )
            try:
                with self._open(session):
                    await Conversation(session, context, self._turn, self._draining).hold()
            except ProtocolError as error:
                self._metrics.protocol_errors.inc()
                if isinstance(error, LimitExceeded):
                    self._metrics.limits_exceeded.inc()
                # It may repeat what the client sent, and clients accept no status beyond their limit of metadata.
                why = str(error)[:_TEXT_TOLD]
                log.warning("stream ended: the client broke the protocol", peer=session.peer, why=why)
                await context.abort(_status(error), why)

        return serve

    @contextlib.contextmanager
    def _open(self, session: Session) -> Any:
        self.sessions.add(session)
        self._metrics.streams.inc()
        self._metrics.streams_opened.inc()
        log.debug("stream opened", peer=session.peer)
        try:
            yield
        finally:
            self.sessions.discard(session)
            self._metrics.streams.dec()
            session.close()
            log.debug("stream closed", peer=session.peer, node=session.stream.node.id)


def _status(error: ProtocolError) -> grpc.StatusCode:
    too_much = isinstance(error, LimitExceeded)
    return grpc.StatusCode.RESOURCE_EXHAUSTED if too_much else grpc.StatusCode.INVALID_ARGUMENT


async def _why_not(listen: str) -> str | None:
    """Why an address cannot be listened on; None: it can. gRPC tells that to its own log only; a plain socket says it."""
    host, _, port = listen.rpartition(":")
    loop, why = asyncio.get_running_loop(), None
    try:
        found = await loop.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        return error.strerror or str(error)
    for family, kind, protocol, _, address in found:
        # Bound only: who connected to a socket that listens for a moment would be turned away.
        try:
            with socket.socket(family, kind, protocol) as plain:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                plain.bind(address)
                return None
        except OSError as error:
            why = error.strerror or str(error)
    return why
