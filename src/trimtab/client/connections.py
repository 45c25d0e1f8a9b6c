"""The connections of one service: one for each node in use, opened ahead of need, closed when the last call on it ended."""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Never, Protocol

from ..balance import Changes, Connectivity, Node
from ..errors import Unavailable
from ..model import Endpoint
from .warm_up import GRACE_S, Gate, WarmUp

logger = logging.getLogger(__name__)

TRY_AGAIN_S = 5.0
"""How long after a connection could not even be attempted, as for want of a thread, that is tried again."""


class Connection(Protocol):
    """A connection to one endpoint, owned by its node."""

    @property
    def channel(self) -> object:
        """grpc's own channel."""
        ...

    def close(self) -> None:
        """Let go of it; again is harmless."""
        ...


Connect = Callable[[Endpoint, float, Callable[[Connectivity], object]], Connection]
"""Opens a connection, of which an attempt may take so many seconds, and reports its states, in the channel's loop, from then on."""


class Unconnected:
    """Stands where no connection could be made."""

    def __init__(self, why: str) -> None:
        self._why = why

    @property
    def channel(self) -> Never:
        """Raises Unavailable."""
        raise Unavailable(self._why)

    def close(self) -> None:
        """There is nothing to close."""


class Connections:
    """Opens and closes as nodes come and go, and tells the states. In the channel's loop, one thing after the other."""

    def __init__(
        self,
        connect: Connect,
        report: Callable[[Mapping[Node, Connectivity]], object],
        in_loop: Callable[..., object],
        later: Callable[..., object],
    ) -> None:
        """`report` is told the states of nodes, `in_loop` runs something in the loop from any thread, `later` after some seconds."""
        self._connect = connect
        self._report = report
        self._in_loop = in_loop
        self._later = later
        self._open: set[Connection] = set()
        self._closed = False
        self._warm_up: WarmUp | None = None

    def __iter__(self) -> Iterator[Connection]:
        """Every connection, those included that only finish their calls."""
        return iter(tuple(self._open))

    def follow(self, changes: Changes, connect_timeout_s: float, *, anew: bool = False) -> None:
        """Open connections to new nodes, let go of those to nodes that left. `anew`: there is no other to call meanwhile."""
        if anew:
            self._warm_up = WarmUp()
        for node in changes.closed:
            if self._warm_up is not None:
                self._warm_up.forget(node)
            node.retire(self._drained)
        if self._warm_up is not None:
            for node in changes.opened:
                self._warm_up.observe(node, node.connectivity)
        for node in changes.opened:
            self._open_to(node, connect_timeout_s)
        self._pass_gate()

    def close(self) -> None:
        """Close every connection, with the calls on it."""
        self._closed = True
        for connection in self:
            connection.close()
        self._open.clear()

    def _open_to(self, node: Node, connect_timeout_s: float) -> None:
        try:
            connection = self._connect(node.endpoint, connect_timeout_s, lambda state: self._changed(node, state))
        except Exception as error:
            # The other nodes have to be connected all the same.
            why = f"{node.endpoint.authority}: no connection could be made: {error!r}"
            logger.warning("%s; it is tried again in %g s", why, TRY_AGAIN_S, exc_info=error)
            node.transport = Unconnected(why)
            self._changed(node, Connectivity.TRANSIENT_FAILURE)
            self._later(TRY_AGAIN_S, self._open_again, node, connect_timeout_s)
        else:
            node.transport = connection
            self._open.add(connection)

    def _open_again(self, node: Node, connect_timeout_s: float) -> None:
        if not node.retired and not self._closed:
            self._open_to(node, connect_timeout_s)

    def _changed(self, node: Node, state: Connectivity) -> None:
        if self._warm_up is not None and not node.retired:
            self._warm_up.observe(node, state)
            self._pass_gate()
        else:
            self._report({node: state})

    def _pass_gate(self) -> None:
        warm_up = self._warm_up
        if warm_up is None:
            return
        gate = warm_up.gate
        if gate is Gate.OPEN:
            self._open_gate(warm_up)
        elif gate is Gate.IN_GRACE and not warm_up.in_grace:
            warm_up.in_grace = True
            self._later(GRACE_S, self._open_gate, warm_up)

    def _open_gate(self, warm_up: WarmUp) -> None:
        if self._warm_up is warm_up:
            self._warm_up = None
            self._report(warm_up.states)

    def _drained(self, node: Node) -> None:
        """The last call of a retired node has ended; from any thread."""
        self._in_loop(self._let_go, node)

    def _let_go(self, node: Node) -> None:
        connection = node.transport
        if connection in self._open and not node.outstanding:
            self._open.discard(connection)
            connection.close()
