"""Whatever a client does and in whatever order, in the end it has what the server has.

Random sequences of subscribing, unsubscribing, ACKs, NACKs, requests on stale nonces, changes, removals and reconnects drive a
real stream in both dialects; responses stay in flight for as long as they like. Then everything settles, and the model
client must hold the newest state of all it asked for, and nothing else.
"""

from collections import deque
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.xds.envoy_messages import discovery_pb2, endpoint_pb2
from tests.xds.shelf import Shelf, subject
from trimtab.xds.delta import Incremental
from trimtab.xds.delta_discovery import DeltaRequest
from trimtab.xds.discovery import DiscoveryRequest
from trimtab.xds.resource import Resource
from trimtab.xds.resource_type import CLUSTERS, ENDPOINTS
from trimtab.xds.server_stream import ServerStream, Wire
from trimtab.xds.sotw import StateOfTheWorld

NAMES = ("a.default:80", "b.default:80", "c.default:80", "a.default")
BAD = "bad"
"""The version that the client refuses."""

names = st.sampled_from(NAMES)
versions = st.sampled_from(["1", "2", "3", BAD])


def content(version: str) -> Resource:
    """A resource that carries its version inside, so that one can tell it from a withdrawal."""
    message = endpoint_pb2.ClusterLoadAssignment()
    message.endpoints.add().locality.region = version
    return Resource(version, message.SerializeToString())


def version_in(body: bytes) -> tuple[str, str | None]:
    """Name and version; None: the endpoints were withdrawn."""
    message = endpoint_pb2.ClusterLoadAssignment.FromString(body)
    return message.cluster_name, message.endpoints[0].locality.region if message.endpoints else None


class Conversation(RuleBasedStateMachine):
    """What both dialects have in common: the server's side, and the network."""

    type_url = ENDPOINTS

    def __init__(self) -> None:
        super().__init__()
        self.shelf = Shelf()
        self.clock = 0.0
        self.wanted: set[str] = set()
        self.have: dict[str, str] = {}
        self.connect()

    def wire(self) -> Wire:
        raise NotImplementedError

    def connect(self) -> None:
        self.stream = ServerStream(self.wire(), self.shelf)
        self.in_flight: deque[bytes] = deque()
        self.nonce = ""

    def send(self, request: Any) -> None:
        self.clock += 1
        self.stream.receive(request.serialize(), self.clock)

    def pump(self) -> None:
        """The server writes what it has to say now."""
        while (response := self.stream.next_response(self.clock)) is not None:
            self.in_flight.append(response[1])

    @initialize(present=st.dictionaries(names, versions))
    def fill(self, present: dict[str, str]) -> None:
        self.shelf.resources = {name: content(version) for name, version in present.items()}

    @rule(name=names, version=versions)
    def change(self, name: str, version: str) -> None:
        self.shelf.resources[name] = content(version)
        self.stream.changed(subject(name))

    @rule(name=names)
    def remove(self, name: str) -> None:
        if self.shelf.resources.pop(name, None) is not None:
            self.stream.changed(subject(name))

    @rule()
    def write(self) -> None:
        self.pump()

    @precondition(lambda self: self.in_flight)
    @rule()
    def read(self) -> None:
        self.take(self.in_flight.popleft())

    def take(self, data: bytes) -> None:
        raise NotImplementedError

    def expected(self) -> dict[str, str]:
        return {name: self.shelf.resources[name].version for name in self.wanted if name in self.shelf.resources}

    def settle(self) -> None:
        """Nobody refuses anything any more, and everything in flight arrives."""
        for name, resource in list(self.shelf.resources.items()):
            if resource.version == BAD:
                self.change(name, "good")
        for _ in range(20):
            self.pump()
            while self.in_flight:
                self.take(self.in_flight.popleft())
        assert self.stream.next_response(self.clock) is None, "the conversation never ends"

    def teardown(self) -> None:
        self.settle()
        assert self.have == self.expected()


class SotwConversation(Conversation):
    """A client of state of the world."""

    def wire(self) -> Wire:
        return StateOfTheWorld()

    def ask(self, error: str | None = None) -> None:
        self.send(DiscoveryRequest(self.type_url, tuple(sorted(self.wanted)), nonce=self.nonce, error=error))

    @rule(name=names)
    def subscribe(self, name: str) -> None:
        self.wanted.add(name)
        self.ask()

    @precondition(lambda self: self.wanted)
    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.wanted)))
        self.wanted.discard(name)
        self.have.pop(name, None)
        self.ask()

    @rule()
    def ask_again(self) -> None:
        self.ask()

    @rule()
    def reconnect(self) -> None:
        self.connect()
        if self.wanted:
            self.ask()

    def take(self, data: bytes) -> None:
        response = discovery_pb2.DiscoveryResponse.FromString(data)
        self.nonce = response.nonce
        said = dict(version_in(resource.value) for resource in response.resources)
        assert len(said) == len(response.resources), "a name twice in one response"
        for name, version in said.items():
            if name not in self.wanted or version == BAD:
                continue
            if version is None:
                self.have.pop(name, None)
            else:
                self.have[name] = version
        for error in response.resource_errors:
            # What a client that reconnects still holds is withdrawn by the answer that there is no such thing.
            self.have.pop(error.resource_name.name, None)
        self.ask("refused" if BAD in said.values() else None)


class SotwClusterConversation(SotwConversation):
    """A type of which every response holds all there is."""

    type_url = CLUSTERS

    def take(self, data: bytes) -> None:
        response = discovery_pb2.DiscoveryResponse.FromString(data)
        self.nonce = response.nonce
        said = dict(version_in(resource.value) for resource in response.resources)
        # Absence is removal; a bad one leaves what was there.
        kept = {name: version for name, version in self.have.items() if said.get(name) == BAD}
        good = {name: v for name, v in said.items() if name in self.wanted and v is not None and v != BAD}
        self.have = {**kept, **good}
        self.ask("refused" if BAD in said.values() else None)

    def expected(self) -> dict[str, str]:
        return super().expected()


class DeltaConversation(Conversation):
    """A client of incremental xDS."""

    def wire(self) -> Wire:
        return Incremental()

    @rule(name=names, ack=st.booleans())
    def subscribe(self, name: str, ack: bool) -> None:
        self.wanted.add(name)
        self.send(DeltaRequest(self.type_url, subscribe=(name,), nonce=self.nonce if ack else ""))

    @rule(name=names)
    def unsubscribe(self, name: str) -> None:
        self.wanted.discard(name)
        self.have.pop(name, None)
        self.send(DeltaRequest(self.type_url, unsubscribe=(name,)))

    @rule()
    def reconnect(self) -> None:
        self.connect()
        if self.wanted:
            self.send(
                DeltaRequest(self.type_url, subscribe=tuple(sorted(self.wanted)), initial_versions=dict(self.have))
            )

    def take(self, data: bytes) -> None:
        response = discovery_pb2.DeltaDiscoveryResponse.FromString(data)
        self.nonce = response.nonce
        said = {resource.name: version_in(resource.resource.value)[1] for resource in response.resources}
        assert not set(said) & set(response.removed_resources)
        for name, version in said.items():
            if name in self.wanted and version not in (None, BAD):
                self.have[name] = str(version)
        for name in response.removed_resources:
            self.have.pop(name, None)
        error = "refused" if BAD in said.values() else None
        self.send(DeltaRequest(self.type_url, nonce=response.nonce, error=error))


for machine in (SotwConversation, SotwClusterConversation, DeltaConversation):
    machine.TestCase.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)

TestStateOfTheWorld = SotwConversation.TestCase
TestStateOfTheWorldOfClusters = SotwClusterConversation.TestCase
TestIncremental = DeltaConversation.TestCase
