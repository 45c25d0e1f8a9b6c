"""A connection to one endpoint from threads."""

import threading
from collections.abc import Callable

import grpc

from ..balance import Connectivity
from ..model import Endpoint
from .connection_options import ConnectionOptions, from_grpc, grpc_target
from .loop import Loop

_ASK_AGAIN_S = 1.0
_WATCH_PERIOD_S = 0.5
"""grpcio's watching thread looks every 0.2 s whether it was asked to connect, or to end."""


class SyncConnection:
    """A grpc channel to one address, kept connected and watched. Everything here runs in the channel's loop."""

    def __init__(
        self,
        endpoint: Endpoint,
        timeout_s: float,
        report: Callable[[Connectivity], object],
        common: ConnectionOptions,
        loop: Loop,
    ) -> None:
        self.channel = common.dial(grpc_target(endpoint), common.to(endpoint, timeout_s))
        self._report = report
        self._loop = loop
        self._state: grpc.ChannelConnectivity | None = None
        self._closed = False
        self.channel.subscribe(self._heard, try_to_connect=True)

    def close(self) -> None:
        """Close it and cancel the calls on it; again is harmless."""
        if self._closed:
            return
        self._closed = True
        # On a closed channel the thread that watches it fails, with a traceback on stderr. It must have begun, which it says
        # by a first state, and have got round to connecting; where nothing is connected there is no call to cancel.
        if self._state is None:
            return
        if self._state is grpc.ChannelConnectivity.IDLE:
            self._close_later()
        else:
            self.channel.unsubscribe(self._heard)
            self.channel.close()

    def _close_later(self) -> None:
        self.channel.unsubscribe(self._heard)
        closing = threading.Timer(_WATCH_PERIOD_S, self.channel.close)
        closing.daemon = True
        closing.start()

    def _heard(self, state: grpc.ChannelConnectivity) -> None:
        """In a thread of grpcio's."""
        self._loop.call_soon_threadsafe(self._changed, state)

    def _changed(self, state: grpc.ChannelConnectivity) -> None:
        if self._closed:
            if self._state is None:
                self._state = state
                self._close_later()
            return
        first, self._state = self._state is None, state
        self._report(from_grpc(state))
        if state is grpc.ChannelConnectivity.IDLE:
            if first:
                self._loop.call_later(_ASK_AGAIN_S, self._reconnect)
            else:
                self._reconnect()

    def _reconnect(self) -> None:
        """Ask for a connection that fell idle. grpcio's channels have no other way to say so."""
        if self._closed or self._state is not grpc.ChannelConnectivity.IDLE:
            return
        self.channel.subscribe(_ignore, try_to_connect=True)
        self.channel.unsubscribe(_ignore)
        # A connection that came and went between two looks of the watching thread is reported as idle only once.
        self._loop.call_later(_ASK_AGAIN_S, self._reconnect)


def _ignore(state: grpc.ChannelConnectivity) -> None:
    pass
