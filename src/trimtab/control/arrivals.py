"""Who knocks at a port with TLS and never comes in: gRPC refuses a client without the certificate it needs, and tells nobody."""

import asyncio
from collections import Counter

import structlog

log = structlog.get_logger(__name__)

PATIENCE_S = 15.0
"""Longer than gRPC lets a handshake take (`grpc.server_handshake_timeout_ms`)."""


class Arrivals:
    """Compares connections that begin with those on which a call arrives."""

    def __init__(self, *, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._calls: Counter[str] = Counter()
        self._began = 0
        self._entered = 0
        self.refused = 0
        """Connections on which no call arrived in time."""

    def start(self) -> None:
        """Count from now on, in the running loop."""
        self._loop = asyncio.get_running_loop()

    def began(self) -> None:
        """A connection begins. May be called from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._count)

    def entered(self, peer: str) -> None:
        """A call begins on the connection with `peer`."""
        self._calls[peer] += 1
        if self._calls[peer] == 1:
            self._entered += 1

    def left(self, peer: str) -> None:
        """A call on the connection with `peer` ended."""
        self._calls[peer] -= 1
        if not self._calls[peer]:
            del self._calls[peer]

    def stop(self) -> None:
        """Count no more."""
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()

    def _count(self) -> None:
        self._began += 1
        if self._timer is None:
            self._wait()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._patience_s, self._judge, self._began)

    def _judge(self, began: int) -> None:
        self._timer = None
        # A connection that was idle between two calls is taken for a new one; that must not outweigh refusals to come.
        self._entered = min(self._entered, self._began - self.refused)
        missing = began - self._entered - self.refused
        if missing > 0:
            self.refused += missing
            log.warning(
                "connections were refused: each client needs a certificate from --tls-client-ca, and must speak TLS",
                connections=missing,
                in_all=self.refused,
            )
        if self._began > began:
            self._wait()
