"""A connection to one endpoint from an event loop."""

import asyncio
from collections.abc import Callable

import grpc.aio

from ..balance import Connectivity
from ..model import Endpoint
from .connection_options import ConnectionOptions, from_grpc, grpc_target


class AioConnection:
    """A grpc.aio channel to one address, kept connected and watched."""

    def __init__(
        self,
        endpoint: Endpoint,
        timeout_s: float,
        report: Callable[[Connectivity], object],
        common: ConnectionOptions,
    ) -> None:
        target, options = grpc_target(endpoint), common.to(endpoint, timeout_s)
        if common.credentials is None:
            self.channel = grpc.aio.insecure_channel(target, options, common.compression)
        else:
            self.channel = grpc.aio.secure_channel(target, common.credentials, options, common.compression)
        self._watch = asyncio.create_task(_watch(self.channel, report), name=f"trimtab watch {endpoint.authority}")
        self.closing: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Close without waiting; again is harmless."""
        self.close_within(None)

    def close_within(self, grace_s: float | None) -> "asyncio.Task[None]":
        """Close after at most `grace_s` for the calls on it; the task ends when it is closed."""
        self._watch.cancel()
        if self.closing is None:
            self.closing = asyncio.create_task(self.channel.close(grace_s))
        return self.closing


async def _watch(channel: grpc.aio.Channel, report: Callable[[Connectivity], object]) -> None:
    """Report every state; a connection that fell idle is asked back at once."""
    while True:
        state = channel.get_state(try_to_connect=True)
        report(from_grpc(state))
        if state is grpc.ChannelConnectivity.SHUTDOWN:
            return
        await channel.wait_for_state_change(state)
