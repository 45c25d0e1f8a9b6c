"""Resources on a shelf, and a client that asks for them: both ends of a stream without a network."""

import itertools
from collections.abc import Hashable, Iterable, Sequence

from tests.xds.envoy_messages import discovery_pb2, endpoint_pb2
from trimtab.model import ServiceRef
from trimtab.xds.delta import Incremental
from trimtab.xds.delta_discovery import DeltaRequest
from trimtab.xds.discovery import ClientNode, DiscoveryRequest
from trimtab.xds.resource import Audience, Resource
from trimtab.xds.resource_type import ENDPOINTS
from trimtab.xds.server_stream import ServerStream
from trimtab.xds.sotw import StateOfTheWorld

NODE = ClientNode(id="client-1")


class Shelf:
    """Resources by name, the same for every type. A subject is a ServiceRef; wildcards get those with a port number."""

    def __init__(self, *names: str) -> None:
        self.resources = {name: Resource("1", b"") for name in names}

    def put(self, name: str, version: str) -> None:
        self.resources[name] = Resource(version, b"")

    def drop(self, name: str) -> None:
        del self.resources[name]

    def audience(self, node: ClientNode) -> Audience:
        return Audience(namespace=node.metadata.get("NAMESPACE", "default"))

    def subject(self, type_url: str, name: str, audience: Audience) -> Hashable | None:
        return ServiceRef.parse(name).within(audience.namespace) if "!" not in name else None

    def get(self, type_url: str, name: str, audience: Audience) -> Resource | None:
        return self.resources.get(str(self.subject(type_url, name, audience)))

    def all_names(self, type_url: str) -> Iterable[str]:
        return (name for name in self.resources if ":" in name)

    def name_of(self, type_url: str, subject: Hashable) -> str | None:
        return str(subject) if ":" in str(subject) else None

    def why_missing(self, name: str, audience: Audience) -> str:
        return f"there is no {name}"


def subject(name: str) -> ServiceRef:
    return ServiceRef.parse(name).within("default")


class SotwClient:
    """Drives a stream in state of the world; requests are built here, so that they may be wrong on purpose."""

    def __init__(self, shelf: Shelf, type_url: str = ENDPOINTS) -> None:
        self.shelf = shelf
        self.type_url = type_url
        self.stream = ServerStream(StateOfTheWorld(), shelf)
        self.last = discovery_pb2.DiscoveryResponse()
        self._clock = itertools.count()

    def ask(self, *names: str, nonce: str | None = None, error: str | None = None, type_url: str | None = None) -> None:
        """Send a request: an ACK of the last response unless said otherwise."""
        request = DiscoveryRequest(
            type_url=type_url or self.type_url,
            names=names,
            version=self.last.version_info,
            nonce=self.last.nonce if nonce is None else nonce,
            error=error,
            node=None if self.stream.subscriptions else NODE,
        )
        self.stream.receive(request.serialize(), next(self._clock))

    def subscribe(self, *names: str) -> None:
        """Ask for these and acknowledge the one response: from here on only what is new is sent."""
        self.ask(*names)
        self.response()
        self.ask(*names)

    def changed(self, *names: str) -> None:
        for name in names:
            self.stream.changed(subject(name), next(self._clock))

    def responses(self) -> Sequence[discovery_pb2.DiscoveryResponse]:
        """All that the server has to say now."""
        said = []
        while (response := self.stream.next_response(next(self._clock))) is not None:
            self.last = discovery_pb2.DiscoveryResponse.FromString(response[1])
            said.append(self.last)
        return said

    def response(self) -> discovery_pb2.DiscoveryResponse:
        """The one thing that the server has to say now."""
        (only,) = self.responses()
        return only


class DeltaClient:
    """Drives a stream incrementally."""

    def __init__(self, shelf: Shelf, type_url: str = ENDPOINTS) -> None:
        self.shelf = shelf
        self.type_url = type_url
        self.stream = ServerStream(Incremental(), shelf)
        self.last = discovery_pb2.DeltaDiscoveryResponse()
        self._clock = itertools.count()

    def ask(
        self,
        *subscribe: str,
        unsubscribe: Sequence[str] = (),
        nonce: str = "",
        error: str | None = None,
        initial: dict[str, str] | None = None,
    ) -> None:
        """Send a request; without a nonce it is spontaneous."""
        request = DeltaRequest(
            type_url=self.type_url,
            subscribe=subscribe,
            unsubscribe=tuple(unsubscribe),
            initial_versions=initial or {},
            nonce=nonce,
            error=error,
            node=None if self.stream.subscriptions else NODE,
        )
        self.stream.receive(request.serialize(), next(self._clock))

    def ack(self) -> None:
        self.ask(nonce=self.last.nonce)

    def changed(self, *names: str) -> None:
        for name in names:
            self.stream.changed(subject(name), next(self._clock))

    def responses(self) -> Sequence[discovery_pb2.DeltaDiscoveryResponse]:
        """All that the server has to say now."""
        said = []
        while (response := self.stream.next_response(next(self._clock))) is not None:
            self.last = discovery_pb2.DeltaDiscoveryResponse.FromString(response[1])
            said.append(self.last)
        return said

    def response(self) -> discovery_pb2.DeltaDiscoveryResponse:
        """The one thing that the server has to say now."""
        (only,) = self.responses()
        return only


def names(response: discovery_pb2.DiscoveryResponse) -> list[str]:
    """Names of the endpoints in a state-of-the-world response."""
    return [endpoint_pb2.ClusterLoadAssignment.FromString(r.value).cluster_name for r in response.resources]


def versions(response: discovery_pb2.DeltaDiscoveryResponse) -> dict[str, str]:
    """Names and versions of the resources in an incremental response."""
    return {resource.name: resource.version for resource in response.resources}
