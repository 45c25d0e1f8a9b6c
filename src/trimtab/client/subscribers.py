"""Who wants to know when a synchronous channel's connectivity changes."""

from collections.abc import Callable

import grpc

from .cluster import Cluster
from .connection_options import to_grpc

Callback = Callable[[grpc.ChannelConnectivity], None]


class Subscribers:
    """Tells each subscriber of every change, first of the state it finds. Runs in the channel's loop."""

    def __init__(self, cluster: Cluster, notify: Callable[..., object]) -> None:
        """`notify` runs a subscriber's callback where it may block."""
        self._cluster = cluster
        self._notify = notify
        self._last: list[tuple[Callback, grpc.ChannelConnectivity]] = []

    def add(self, callback: Callback) -> None:
        """Tell `callback` from now on."""
        state = state_of(self._cluster)
        self._last.append((callback, state))
        self._notify(callback, state)
        self._cluster.add_waiter(self._changed)

    def remove(self, callback: Callback) -> None:
        """Tell `callback` no more."""
        self._last = [(known, state) for known, state in self._last if known != callback]

    def _changed(self) -> None:
        if not self._last:
            return
        state = state_of(self._cluster)
        for callback, last in self._last:
            if last is not state:
                self._notify(callback, state)
        self._last = [(callback, state) for callback, _ in self._last]
        self._cluster.add_waiter(self._changed)


def state_of(cluster: Cluster) -> grpc.ChannelConnectivity:
    """A cluster's connectivity in gRPC's words."""
    return grpc.ChannelConnectivity.SHUTDOWN if cluster.closed else to_grpc(cluster.connectivity())
