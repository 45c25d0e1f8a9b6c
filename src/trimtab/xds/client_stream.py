"""The client's half of ADS, state of the world, as a state machine: events in, requests and updates out.

Rules: Envoy's `xds_protocol`; partly good responses after gRFC A46; per-resource errors after gRFC A88. What was learned
outlives the stream: a new stream asks for the same names and says which version it has.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Generic, TypeVar

from ..errors import ProtocolError
from .discovery import ClientNode, DiscoveryRequest, DiscoveryResponse, ResourceError
from .resource_type import WILDCARD

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Update(Generic[T]):
    """News about one subscribed name: a resource, or why there is none."""

    name: str
    resource: T | None = None
    error: ResourceError | None = None


@dataclass(frozen=True, slots=True)
class Reaction(Generic[T]):
    """What a response leads to: the ACK or NACK to send, and what is new for whom."""

    request: DiscoveryRequest
    updates: tuple[Update[T], ...] = ()


@dataclass(slots=True)
class _Contents(Generic[T]):
    """What a response held: the good, and what was wrong with the rest."""

    resources: dict[str, T] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


class ClientStream(Generic[T]):
    """Subscriptions to resources of one type, over as many streams as it takes.

    `decode` turns an encoded resource and the response's version into the resource's name and value; it raises
    ProtocolError for a resource that must be refused.
    """

    def __init__(self, type_url: str, node: ClientNode, decode: Callable[[bytes, str], tuple[str, T]]) -> None:
        self._type_url = type_url
        self._node = node
        self._decode = decode
        self._names: dict[str, None] = {}
        self._known: dict[str, T] = {}
        self._version = ""
        self._nonce = ""
        self._connected = False

    @property
    def names(self) -> tuple[str, ...]:
        """What is subscribed to, in the order it was asked for."""
        return tuple(self._names)

    def known(self, name: str) -> T | None:
        """The last good value of a subscribed name."""
        return self._known.get(name)

    @property
    def everything_known(self) -> Mapping[str, T]:
        """The last good values of all subscribed names that have one."""
        return MappingProxyType(self._known)

    def connected(self, node: ClientNode | None = None) -> DiscoveryRequest:
        """A stream is open: the request to send first. Nonces die with their stream, versions do not.

        `node` is who asks now, if there is more to say than at the beginning.
        """
        self._connected = True
        self._nonce = ""
        if any(name not in self._known for name in self._names):
            # A server may leave out what the version says we have; here it does not say that of every name.
            self._version = ""
        return self._request(node=node or self._node)

    def forget_version(self) -> None:
        """The next stream goes to another server, which must not take our version for one of its own."""
        self._version = ""

    def let_go(self) -> None:
        """Keep nothing of what was received: whoever was told has it."""
        self._known.clear()

    def disconnected(self) -> None:
        """The stream is gone; what is known stays."""
        self._connected = False

    def subscribe(self, name: str) -> DiscoveryRequest | None:
        """Ask for `name`, or with `*` for all there is. None: nothing to send now."""
        if name in self._names:
            return None
        self._names[name] = None
        return self._request() if self._connected else None

    def unsubscribe(self, name: str) -> DiscoveryRequest | None:
        """Stop asking for `name` and forget it. None: nothing to send now."""
        if name not in self._names:
            return None
        del self._names[name]
        self._known.pop(name, None)
        return self._request() if self._connected else None

    def received(self, response: DiscoveryResponse) -> Reaction[T]:
        """Take in a response. Raises ProtocolError for a type that was never asked for."""
        if response.type_url != self._type_url:
            raise ProtocolError(f"a response of type {response.type_url!r}, which was not subscribed to")
        self._nonce = response.nonce
        contents = self._contents(response)
        updates = [Update(name, resource=resource) for name, resource in contents.resources.items()]
        updates += [Update(error.name, error=error) for error in response.errors if error.name in self._names]
        self._known |= contents.resources
        if contents.faults:
            return Reaction(self._request(error="; ".join(contents.faults)), tuple(updates))
        self._version = response.version
        return Reaction(self._request(), tuple(updates))

    def _contents(self, response: DiscoveryResponse) -> _Contents[T]:
        contents: _Contents[T] = _Contents()
        seen: set[str] = set()
        for type_url, body in response.resources:
            try:
                name, resource = self._decoded(type_url, body, response.version)
            except ProtocolError as error:
                contents.faults.append(str(error))
                continue
            if name in seen:
                contents.faults.append(f"{name} is in the response twice")
                contents.resources.pop(name, None)
            elif name in self._names or WILDCARD in self._names:
                contents.resources[name] = resource
            seen.add(name)
        return contents

    def _decoded(self, type_url: str, body: bytes, version: str) -> tuple[str, T]:
        if type_url != self._type_url:
            raise ProtocolError(f"a resource of type {type_url!r} in a response of type {self._type_url!r}")
        return self._decode(body, version)

    def _request(self, *, error: str | None = None, node: ClientNode | None = None) -> DiscoveryRequest:
        return DiscoveryRequest(
            type_url=self._type_url,
            names=self.names,
            version=self._version,
            nonce=self._nonce,
            error=error,
            node=node,
        )
