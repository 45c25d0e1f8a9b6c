"""Whatever a client does and in whatever order, in the end it has what the server has.

Random sequences of subscribing, to names and to everything, unsubscribing, ACKs, NACKs, requests on stale nonces, changes, removals and reconnects drive a
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
        self.star = False
        """Whether the client asked for everything."""
        self.have: dict[str, str] = {}
        self.connect()

    def wire(self) -> Wire:
        raise NotImplementedError

    def connect(self) -> None:
        self.stream = ServerStream(self.wire(), self.shelf)
        self.in_flight: deque[bytes] = deque()
        self.nonce = ""
        self.unnamed = False
        """Whether it asked for everything in the old way, by naming nothing on this stream."""

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
        self.stream.changed(subject(name), self.clock)

    @rule(name=names)
    def remove(self, name: str) -> None:
        if self.shelf.resources.pop(name, None) is not None:
            self.stream.changed(subject(name), self.clock)

    @rule()
    def write(self) -> None:
        self.pump()

    @precondition(lambda self: self.in_flight)
    @rule()
    def read(self) -> None:
        self.take(self.in_flight.popleft())

    def take(self, data: bytes) -> None:
        raise NotImplementedError

    def follows(self, name: str) -> bool:
        # Everything is every service once, under the name with its port.
        return name in self.wanted or ((self.star or self.unnamed) and ":" in name)

    def forget(self) -> None:
        """Drop what is not followed any more."""
        self.have = {name: version for name, version in self.have.items() if self.follows(name)}

    def expected(self) -> dict[str, str]:
        return {name: resource.version for name, resource in self.shelf.resources.items() if self.follows(name)}

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
        for subscription in self.stream.subscriptions:
            assert subscription.held.keys() == self.have.keys(), "the server takes the client for another than it is"


class SotwConversation(Conversation):
    """A client of state of the world."""

    def connect(self) -> None:
        super().connect()
        self.version = ""

    def wire(self) -> Wire:
        return StateOfTheWorld()

    def asked_for(self) -> tuple[str, ...]:
        return tuple(sorted(self.wanted))

    def ask(self, error: str | None = None) -> None:
        self.send(DiscoveryRequest(self.type_url, self.asked_for(), self.version, self.nonce, error))

    @rule(name=names)
    def subscribe(self, name: str) -> None:
        self.wanted.add(name)
        self.ask()

    @precondition(lambda self: self.wanted)
    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.wanted)))
        self.wanted.discard(name)
        self.forget()
        self.ask()

    @precondition(lambda self: self.stream.subscriptions)
    @rule()
    def ask_again(self) -> None:
        self.ask()

    @rule()
    def reconnect(self) -> None:
        unnamed = self.unnamed
        self.connect()
        self.unnamed = unnamed
        if self.asked_for() or unnamed:
            self.ask()

    def take(self, data: bytes) -> None:
        response = discovery_pb2.DiscoveryResponse.FromString(data)
        said = dict(version_in(resource.value) for resource in response.resources)
        assert len(said) == len(response.resources), "a name twice in one response"
        self.accept({name: version for name, version in said.items() if self.follows(name)})
        for error in response.resource_errors:
            # What a client that reconnects still holds is withdrawn by the answer that there is no such thing.
            self.have.pop(error.resource_name.name, None)
        self.nonce = response.nonce
        if BAD in said.values():
            self.ask("refused")
        else:
            self.version = response.version_info
            self.ask()

    def accept(self, said: dict[str, str | None]) -> None:
        """What the client does with the resources of a response, each with its version."""
        for name, version in said.items():
            if version is None:
                self.have.pop(name, None)
            elif version != BAD:
                self.have[name] = version


class SotwClusterConversation(SotwConversation):
    """A type of which every response holds all there is, and of which one may ask for everything."""

    type_url = CLUSTERS

    @rule()
    def subscribe_to_everything(self) -> None:
        self.star = True
        self.ask()

    @precondition(lambda self: self.star)
    @rule()
    def give_everything_up(self) -> None:
        self.star = False
        self.forget()
        self.ask()

    @precondition(lambda self: not self.wanted and not self.star)
    @rule()
    def begin_by_naming_nothing(self) -> None:
        self.connect()
        self.unnamed = True
        self.ask()

    def asked_for(self) -> tuple[str, ...]:
        return (*super().asked_for(), *(["*"] if self.star else []))

    def ask(self, error: str | None = None) -> None:
        # From the first name on, be it the star, to name nothing means nothing.
        if self.unnamed and self.asked_for():
            self.unnamed = False
            self.forget()
        super().ask(error)

    def accept(self, said: dict[str, str | None]) -> None:
        # Absence is removal; a bad one leaves what was there.
        kept = {name: version for name, version in self.have.items() if said.get(name) == BAD}
        self.have = {**kept, **{name: version for name, version in said.items() if version not in (None, BAD)}}


class DeltaConversation(Conversation):
    """A client of incremental xDS."""

    def wire(self) -> Wire:
        return Incremental()

    @rule(name=names, ack=st.booleans())
    def subscribe(self, name: str, ack: bool) -> None:
        self.wanted.add(name)
        self.request(subscribe=(name,), nonce=self.nonce if ack else "")

    @rule(name=names)
    def unsubscribe(self, name: str) -> None:
        self.wanted.discard(name)
        # Where everything stays, the server says what is left of it.
        self.have.pop(name, None)
        self.request(unsubscribe=(name,))

    @rule()
    def reconnect(self) -> None:
        asked_for = self.asked_for()
        self.connect()
        if asked_for:
            self.request(subscribe=asked_for, initial_versions=dict(self.have))

    def asked_for(self) -> tuple[str, ...]:
        return tuple(sorted(self.wanted))

    def request(self, **says: Any) -> None:
        self.send(DeltaRequest(self.type_url, **says))

    def take(self, data: bytes) -> None:
        response = discovery_pb2.DeltaDiscoveryResponse.FromString(data)
        self.nonce = response.nonce
        said = {resource.name: version_in(resource.resource.value)[1] for resource in response.resources}
        assert not set(said) & set(response.removed_resources)
        for name, version in said.items():
            if self.follows(name) and version not in (None, BAD):
                self.have[name] = str(version)
        for name in response.removed_resources:
            self.have.pop(name, None)
        self.request(nonce=response.nonce, error="refused" if BAD in said.values() else None)


class DeltaClusterConversation(DeltaConversation):
    """A type of which one may ask for everything."""

    type_url = CLUSTERS

    @rule()
    def subscribe_to_everything(self) -> None:
        self.star = True
        self.request(subscribe=("*",))

    @precondition(lambda self: self.star or self.unnamed)
    @rule()
    def give_everything_up(self) -> None:
        self.star = self.unnamed = False
        self.forget()
        self.request(unsubscribe=("*",))

    @precondition(lambda self: not self.wanted and not self.star)
    @rule()
    def begin_by_naming_nothing(self) -> None:
        self.connect()
        self.unnamed = True
        self.request(initial_versions=dict(self.have))

    def asked_for(self) -> tuple[str, ...]:
        # Who began by naming nothing has to name the star once it names something on a new stream.
        self.star |= self.unnamed
        return (*super().asked_for(), *(["*"] if self.star else []))


for machine in (SotwConversation, SotwClusterConversation, DeltaConversation, DeltaClusterConversation):
    machine.TestCase.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)

TestStateOfTheWorld = SotwConversation.TestCase
TestStateOfTheWorldOfClusters = SotwClusterConversation.TestCase
TestIncremental = DeltaConversation.TestCase
TestIncrementalOfClusters = DeltaClusterConversation.TestCase
