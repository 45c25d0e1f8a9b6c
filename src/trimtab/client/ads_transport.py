"""The socket under discovery: one ADS stream on a connection of its own."""

import queue
from collections.abc import Iterator
from pathlib import Path

import grpc

from ..errors import BootstrapError
from ..xds.resource_type import ADS_SERVICE, STREAM_AGGREGATED_RESOURCES
from .bootstrap import ControlPlane, TransportSecurity

_METHOD = f"/{ADS_SERVICE}/{STREAM_AGGREGATED_RESOURCES}"
_OPTIONS = (
    # A half-open connection, as after a lost node, is noticed within 40 s.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # Ten thousand endpoints exceed gRPC's default of 4 MiB.
    ("grpc.max_receive_message_length", -1),
    # How long one attempt to connect may take; when to try again is decided by discovery alone.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


class AdsStream:
    """One stream to a control plane: send requests from any thread, iterate over the responses in one."""

    def __init__(self, server: ControlPlane) -> None:
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._channel = open_channel(server)
        method: grpc.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(_METHOD)
        self._call = method(iter(self._outbox.get, None))

    def send(self, request: bytes) -> None:
        """Queue an encoded DiscoveryRequest."""
        self._outbox.put(request)

    def __iter__(self) -> Iterator[bytes]:
        """Encoded DiscoveryResponses until the stream ends. Raises grpc.RpcError if it breaks."""
        return iter(self._call)

    def cancel(self) -> None:
        """End the stream, from any thread: whoever iterates gets an RpcError."""
        self._call.cancel()

    def close(self) -> None:
        """End stream and connection."""
        self._outbox.put(None)
        self._call.cancel()
        self._channel.close()


def open_channel(server: ControlPlane) -> grpc.Channel:
    """A connection of its own to `server`. Raises BootstrapError if its certificates cannot be read."""
    if not server.security.tls:
        return grpc.insecure_channel(server.uri, _OPTIONS)
    return grpc.secure_channel(server.uri, _credentials(server.security), _OPTIONS)


def _credentials(security: TransportSecurity) -> grpc.ChannelCredentials:
    # Read for every stream, so that rotated certificates are taken up (gRFC A65).
    return grpc.ssl_channel_credentials(
        root_certificates=_pem(security.ca_file),
        private_key=_pem(security.private_key_file),
        certificate_chain=_pem(security.certificate_file),
    )


def _pem(path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BootstrapError(f"{path}: cannot be read: {error.strerror}; the xDS bootstrap names it") from error


def reason(error: grpc.RpcError, security: TransportSecurity) -> str:
    """Why a stream broke: what gRPC says behind `last error:`, and what that may mean."""
    details = error.details() or error.code().name
    _, unconnected, last = details.rpartition("last error: ")
    said = last.removeprefix("UNKNOWN: ")
    # A server that refuses a handshake says no more than this (measured, TLS 1.3).
    return f"{said} ({_refused(security)})" if unconnected and said.endswith("Socket closed") else said


def _refused(security: TransportSecurity) -> str:
    if not security.tls:
        return "it may speak TLS, and the bootstrap says insecure"
    if security.certificate_file is None:
        return "it may ask for a client certificate, and the bootstrap names no certificate_file"
    return f"it may not trust {security.certificate_file}"
