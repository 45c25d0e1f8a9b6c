"""A service as a grpc.aio.Channel."""

import asyncio
import contextlib
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from ..balance import Connectivity, Explanation, Tracer
from ..model import Endpoint
from .aio_calls import CALLS
from .aio_connection import AioConnection
from .aio_deferred import DeferredCall
from .aio_interceptors import intercepted, of_arity
from .aio_unsent import watching
from .cluster import Cluster
from .connection_options import ConnectionOptions, to_grpc
from .method import Method
from .service import Service
from .stubs import Stubs
from .verified_name import VerifiedName


class AioChannel(Stubs, grpc.aio.Channel):
    """Balances every call over the endpoints of one service. Made by `trimtab.aio.channel`."""

    def __init__(
        self,
        service: Service,
        common: ConnectionOptions,
        interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
    ) -> None:
        verified = VerifiedName(service.name, common)

        def connect(endpoint: Endpoint, timeout_s: float, report: Callable[[Connectivity], object]) -> AioConnection:
            return AioConnection(endpoint, timeout_s, verified.hearing(endpoint, report), common)

        self._common = common
        self._interceptors = {arity: of_arity(arity, interceptors) for arity in CALLS}
        # Weak, so that a call dropped by its owner is collected, and thereby cancelled.
        self._deferred: weakref.WeakSet[DeferredCall] = weakref.WeakSet()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.cluster = Cluster(service, connect, asynchronous=True)
        with contextlib.suppress(RuntimeError):
            # Made outside of a running loop, it starts with its first call.
            self._start(asyncio.get_running_loop())

    def prepare(self) -> asyncio.AbstractEventLoop:
        """The loop to run in, with discovery under way. Raises UsageError once closed, ForkError in a forked process."""
        if self.cluster.refusal_of_child is not None:
            raise self.cluster.refusal_of_child
        if self.cluster.closed:
            raise grpc.aio.UsageError("Channel is closed.")
        return self._loop or self._start(asyncio.get_running_loop())

    def _start(self, loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
        self._common.try_out()
        self._loop = loop
        self.cluster.start(loop)
        return loop

    def track(self, call: DeferredCall) -> None:
        """Remember a call, to cancel it when the channel closes."""
        self._deferred.add(call)

    async def close(self, grace: float | None = None) -> None:
        """Take no more calls; cancel those under way after `grace` seconds, at once without."""
        if grace is not None and grace < 0:
            raise ValueError(f"grace must be non-negative, got {grace}.")
        self.cluster.close()
        connections = [c for c in self.cluster.connections if isinstance(c, AioConnection)]
        closing = [connection.close_within(grace) for connection in connections]
        under_way = [call for call in self._deferred if not call.done()]
        if grace and under_way:
            # Those without an endpoint have been cancelled already: there will be none.
            await asyncio.wait([asyncio.create_task(call.until_done()) for call in under_way], timeout=grace)
        for call in under_way:
            call.cancel()
        if closing:
            await asyncio.gather(*closing)
        self.cluster.disconnect()

    async def __aenter__(self) -> Self:
        if not self.cluster.closed:
            self.prepare()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        cluster = self.__dict__.get("cluster")
        if cluster is not None:
            cluster.abandon()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """READY when any endpoint is. Connections are opened ahead of need, so `try_to_connect` changes little."""
        if self.cluster.closed:
            return grpc.ChannelConnectivity.SHUTDOWN
        if try_to_connect:
            self.prepare()
        return to_grpc(self.cluster.connectivity())

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Return once the state is another than `last_observed_state`. Raises UsageError where that will never be."""
        while self.get_state() is last_observed_state:
            if last_observed_state is grpc.ChannelConnectivity.SHUTDOWN:
                raise grpc.aio.UsageError("Channel is closed.")
            changed = asyncio.get_running_loop().create_future()

            def wake(changed: "asyncio.Future[None]" = changed) -> None:
                if not changed.done():
                    changed.set_result(None)

            self.cluster.add_waiter(wake)
            try:
                await changed
            finally:
                self.cluster.remove_waiter(wake)

    async def channel_ready(self) -> None:
        """Return once an endpoint is ready."""
        while (state := self.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
            if state is grpc.ChannelConnectivity.SHUTDOWN:
                raise grpc.aio.UsageError("Channel is closed.")
            await self.wait_for_state_change(state)

    def explain(self) -> Explanation:
        """How every endpoint in use stands: load, weight, ramp, success, ejection; and why it is these."""
        return self.cluster.explain()

    def trace(self, tracer: Tracer | None) -> None:
        """Call `tracer` with every request and the choice made for it, in whichever thread makes it; None: no more."""
        self.cluster.trace(tracer)

    def _calls(self, method: Method) -> Any:
        if method.arity.startswith("unary"):
            method = replace(method, serializer=watching(method.serializer))
        if interceptors := self._interceptors[method.arity]:
            return intercepted(self, method, interceptors)
        return CALLS[method.arity](self, method)

    def __repr__(self) -> str:
        return f"<trimtab.aio.channel {self.cluster.summary()}>"
