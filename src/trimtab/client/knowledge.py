"""What control planes have said of the services that somebody listens to: endpoints, policies and seats."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ..errors import PolicyError, ServiceNotFound, Unavailable
from ..model import Assignment, Policy, Seat
from ..xds.assignment import decode_assignment
from ..xds.client_stream import ClientStream, Reaction, Update
from ..xds.cluster import decode_policy
from ..xds.discovery import NOT_FOUND, ClientNode, DiscoveryRequest, DiscoveryResponse, ResourceError
from ..xds.identifier import SEEN
from ..xds.resource_type import CLUSTERS, ENDPOINTS, SEATS
from ..xds.seat import HELD_KEY, decode_seat, encode_held
from .keeper import Keeper
from .listeners import Listeners

logger = logging.getLogger(__name__)

_SEATED_ABOVE = 8
"""Endpoints of a service from which on it may matter which of its clients this one is."""

News = Assignment | Policy | PolicyError | Seat | Unavailable
Listener = Callable[[News], object]
"""Told about one service; called from the discovery thread and must return at once."""


class Knowledge:
    """Outlives streams and control planes. Its owner keeps others out while it is used, from `send` too."""

    def __init__(self, node: ClientNode, send: Callable[[DiscoveryRequest | None], object]) -> None:
        """`send` passes a request to the control plane, if there is a stream and a request."""
        self._node = node
        self._send = send
        self._endpoints: ClientStream[Assignment] = ClientStream(ENDPOINTS, node, self._decode)
        self._policies: ClientStream[Policy | PolicyError] = ClientStream(CLUSTERS, node, self._decode_policy)
        self._seats: ClientStream[Seat] = ClientStream(SEATS, node, decode_seat)
        self._every_type: tuple[ClientStream[Any], ...] = (self._endpoints, self._policies, self._seats)
        self._gives_seats = False
        """Whether the control plane of this stream is Trimtab's: others need not take kindly to a type they do not know."""
        self._seen = 0
        self._clock_offset_s: float | None = None
        self.zone = node.locality.zone
        """Where this client is, as far as anybody said."""
        self.keeper: Keeper | None = None
        """Who keeps all this on disk; None: nobody."""
        self._listeners: Listeners[News] = Listeners()
        self._policy_listeners: Listeners[News] = Listeners()
        self._refused: dict[str, Unavailable] = {}
        self._warned: set[str] = set()
        self._restored: dict[str, tuple[News, ...]] = {}

    # Who listens.

    def subscribe(self, name: str, listener: Listener, policy: bool) -> None:
        """Tell `listener` what is known about `name`, now and whenever that changes; with `policy` also how to balance it."""
        if policy:
            self._policy_listeners.add(name, listener)
            # Before the endpoints: how many of them to connect to is a matter of policy.
            self._send(self._policies.subscribe(name))
            if (served := self._policies.known(name)) is not None:
                listener(served)
        if (seat := self._seats.known(name)) is not None:
            listener(seat)
        self._listeners.add(name, listener)
        self._send(self._endpoints.subscribe(name))
        # An assignment without endpoints is news too, though it is falsy.
        known = self._endpoints.known(name)
        news = self._refused.get(name) if known is None else known
        for told in self._restored.get(name, ()) if news is None else (news,):
            if policy or not isinstance(told, Policy):
                listener(told)
        if self.keeper is not None:
            self.keeper.wanted(name)

    def unsubscribe(self, name: str, listener: Listener) -> None:
        """Tell `listener` no more."""
        if self._listeners.remove(name, listener):
            self._refused.pop(name, None)
            self._restored.pop(name, None)
            self._send(self._endpoints.unsubscribe(name))
            if self.keeper is not None:
                self.keeper.dropped(name)
            self._send(self._seats.unsubscribe(name))
        if self._policy_listeners.remove(name, listener):
            self._send(self._policies.unsubscribe(name))

    # The stream it is learned from.

    def connected(self, anew: bool) -> None:
        """A stream has begun: ask for everything that is subscribed to. `anew`: another server's versions say nothing to this one."""
        if anew:
            for subscriptions in self._every_type:
                subscriptions.forget_version()
        node = self._presented()
        about_policies = self._policies.connected(node)
        if about_policies.names:
            # To ask for no cluster in particular would be to ask for all.
            self._send(about_policies)
        self._send(self._endpoints.connected(node))

    def disconnected(self) -> None:
        """The stream has ended. What is known stays."""
        for subscriptions in self._every_type:
            subscriptions.disconnected()
        self._gives_seats = False

    def received(self, response: DiscoveryResponse, now: float) -> str | None:
        """Learn from a response that came at `now`, in seconds of `time.monotonic`, and answer it.

        Returns why it could not be used, or not all of it. Raises ProtocolError for what cannot even be answered.
        """
        if response.said is not None:
            self._clock_offset_s = now - response.said.unix_s
            # What the cluster says of a Node or Pod goes before what somebody configured.
            self.zone = response.said.zone or self.zone
            self._seen = max(self._seen, response.said.seen)
        reaction = self._take(response)
        self._send(reaction.request)
        return reaction.request.error

    def _presented(self) -> ClientNode:
        """Who we are, what we have seen and which seats we have: a control plane that knows less shall not roll us back."""
        said = {SEEN: str(self._seen)} if self._seen else {}
        if seats := self._seats.everything_known:
            said[HELD_KEY] = encode_held(seats)
        return replace(self._node, metadata=MappingProxyType({**self._node.metadata, **said})) if said else self._node

    def _take(self, response: DiscoveryResponse) -> Reaction[Any]:
        if response.type_url == CLUSTERS:
            policies = self._policies.received(response)
            for served in policies.updates:
                # A cluster that is gone, or was never there, changes nothing: the last policy stays.
                if served.resource is not None:
                    self._policy_listeners.tell(served.name, served.resource)
            return policies
        if response.type_url == SEATS:
            seats = self._seats.received(response)
            for given in seats.updates:
                if given.resource is not None:
                    self._listeners.tell(given.name, given.resource)
            return seats
        reaction = self._endpoints.received(response)
        for update in reaction.updates:
            self._publish(update)
        if response.said is not None:
            self._ask_for_seats(reaction.updates)
        return reaction

    def _ask_for_seats(self, updates: Sequence[Update[Assignment]]) -> None:
        large = [update.name for update in updates if len(update.resource or ()) > _SEATED_ABOVE]
        requests = [self._seats.subscribe(name) for name in large]
        if not self._gives_seats and self._seats.names:
            self._gives_seats = True
            self._send(self._seats.connected())
        else:
            for request in requests:
                self._send(request)

    def _decode(self, body: bytes, version: str) -> tuple[str, Assignment]:
        assignment = decode_assignment(body, version)
        if self.keeper is not None:
            self.keeper.assigned(assignment.cluster, version, body, self.zone)
        return assignment.cluster, replace(assignment, clock_offset_s=self._clock_offset_s, client_zone=self.zone)

    def _decode_policy(self, body: bytes, version: str) -> tuple[str, Policy | PolicyError]:
        name, policy = decode_policy(body)
        if self.keeper is not None:
            self.keeper.balanced(name, body)
        return name, policy

    def _publish(self, update: Update[Assignment]) -> None:
        if update.error is not None:
            self._restored.pop(update.name, None)
            if self.keeper is not None and update.error.code == NOT_FOUND:
                self.keeper.disowned(update.name)
        if update.resource is not None:
            self._refused.pop(update.name, None)
            self._restored.pop(update.name, None)
            self._warned.discard(update.name)
            self._listeners.tell(update.name, update.resource)
        elif update.error is not None and self._endpoints.known(update.name) is None:
            self._refused[update.name] = refusal = _refusal(update.error)
            self._listeners.tell(update.name, refusal)
        elif update.error is not None and update.name not in self._warned:
            self._warned.add(update.name)
            logger.warning("%s: %s; the last known endpoints stay in use", update.name, update.error.message)

    # The disk, until something is learned.

    def lacks(self, name: str) -> bool:
        """Whether no control plane has said anything of a service."""
        return self._endpoints.known(name) is None and name not in self._refused

    def waits(self, name: str) -> bool:
        """Whether somebody waits to hear anything of a service."""
        return name in self._listeners and self.lacks(name)

    def restore(self, name: str, news: tuple[News, ...]) -> None:
        """What was on disk has to do until a control plane answers."""
        self._restored[name] = news
        for told in news:
            listeners = self._policy_listeners if isinstance(told, Policy) else self._listeners
            listeners.tell(name, told)


def _refusal(error: ResourceError) -> Unavailable:
    said = f"{error.name}: {error.message or 'the control plane does not serve it'}"
    if error.code == NOT_FOUND:
        return ServiceNotFound(f"{said}; check the channel's target, and what `trimtab endpoints` lists")
    return Unavailable(said)
