"""One RPC method of a stub, and what starting its calls has in common in both worlds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from grpc import CallCredentials, Compression, StatusCode

from ..balance import Node, Pick, Request
from ..balance.request import NO_ATTRIBUTES, NO_METADATA
from ..errors import Unavailable
from . import attributes
from .cluster import Cluster
from .connections import Connection
from .load_reports import asking
from .placement import Refusal, unless_unready
from .rpc_error import RefusedCall, aio_error

_attributes = attributes.current.get


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC method as a stub declared it."""

    arity: str
    """`unary_unary`, `unary_stream`, `stream_unary` or `stream_stream`: also the channel's method for its callables."""
    name: str
    serializer: Callable[[Any], bytes] | None
    deserializer: Callable[[bytes], Any] | None
    registered: bool = False

    def callable_on(self, channel: Any) -> Any:
        """grpc's own multi-callable for this method on one connection's channel."""
        # Only generated stubs pass the flag, and only where grpcio knows it.
        extra = {"_registered_method": True} if self.registered else {}
        return getattr(channel, self.arity)(self.name, self.serializer, self.deserializer, **extra)


class MethodCalls:
    """Base of the multi-callables: the context of a call, and grpc's multi-callable on each connection."""

    def __init__(self, cluster: Cluster, method: Method) -> None:
        self._cluster = cluster
        self._method = method
        self._pick = cluster.pick
        self._bare = Request(method.name)
        self._callables: dict[Node, Any] = {}

    def _context(self, metadata: Any) -> Request:
        """What the picker may know about a call."""
        given = _attributes()
        if not metadata and given is NO_ATTRIBUTES:
            return self._bare
        return Request(self._method.name, metadata or NO_METADATA, given)

    def _placed(self, metadata: Any, wait_for_ready: bool | None) -> Pick | None:
        """A node for a call, if it may start now. Otherwise it has to wait, or a placement has to refuse it."""
        # Most calls bring no context, and the way of every call is worth a short one.
        bare = not metadata and _attributes() is NO_ATTRIBUTES
        try:
            picked = self._pick(self._bare if bare else self._context(metadata))
        except Exception:  # noqa: BLE001 - it is met again, and told, where the call is refused
            # Too many calls in flight, or a strategy, key or cost of the user's own that fails: what becomes of such a call is
            # said in one place, and the same whether it has to wait for its endpoint or not.
            return None
        return unless_unready(picked) if wait_for_ready else picked

    def _start(
        self,
        request: Any,
        metadata: Any,
        credentials: CallCredentials | None,
        compression: Compression | None,
        pick: Pick,
        timeout: float | None,
        how: str = "",
    ) -> Any:
        """The call on the picked connection, by the method `how` of grpc's multi-callable.

        The pick is given back when the call is done, or cannot be started.
        """
        try:
            start = self._callables.get(pick.node) or self._callable_for(pick.node)
            if how:
                start = getattr(start, how)
            if self._cluster.wants_reports:
                metadata = asking(metadata)
            # Waiting for ready is over once there is a ready endpoint. Told to the connection too it would tie the call
            # to this endpoint, should it be lost in this moment, for as long as the deadline.
            call = start(request, timeout=timeout, metadata=metadata, credentials=credentials, compression=compression)
        except BaseException:
            pick.abandon()
            raise
        self._follow(pick, call, metadata)
        return call

    def _follow(self, pick: Pick, call: Any, metadata: Any) -> None:
        """Give the pick back when the call is done. What hears of that must not keep the call alive: dropped by its owner it
        ends. It holds the channel, which lives as long as its calls even when nothing else refers to it.
        """
        raise NotImplementedError

    def _callable_for(self, node: Node) -> Any:
        """grpc's multi-callable on the node's connection, made once and let go with the connection."""
        try:
            made = self._method.callable_on(cast(Connection, node.transport).channel)
        except Unavailable as error:
            refused = aio_error if self._cluster.asynchronous else RefusedCall
            raise refused(Refusal(StatusCode.UNAVAILABLE, str(error), error)) from error
        self._callables = {known: it for known, it in self._callables.items() if not known.retired}
        self._callables[node] = made
        return made
