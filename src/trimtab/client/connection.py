"""A connection to one endpoint from threads."""

from collections.abc import Callable

import grpc

from ..balance import Connectivity
from ..model import Endpoint
from .connection_options import ConnectionOptions, from_grpc, grpc_target


class SyncConnection:
    """A grpc channel to one address, kept connected and watched."""

    def __init__(self, endpoint: Endpoint, report: Callable[[Connectivity], object], common: ConnectionOptions) -> None:
        target = grpc_target(endpoint)
        if common.credentials is None:
            self.channel = grpc.insecure_channel(target, common.options, common.compression)
        else:
            self.channel = grpc.secure_channel(target, common.credentials, common.options, common.compression)
        self._report = report
        self.channel.subscribe(self._changed, try_to_connect=True)

    def close(self) -> None:
        """Close it and cancel the calls on it; again is harmless."""
        self.channel.close()

    def _changed(self, state: grpc.ChannelConnectivity) -> None:
        self._report(from_grpc(state))
        if state is grpc.ChannelConnectivity.IDLE:
            # Asks for the connection back at once; grpc's threads have no other way to say so.
            self.channel.subscribe(_ignore, try_to_connect=True)
            self.channel.unsubscribe(_ignore)


def _ignore(state: grpc.ChannelConnectivity) -> None:
    pass
