"""What this process knows from its control plane: one ADS stream, shared by every channel of the process.

The protocol is `xds.client_stream`; here are its thread, its reconnects and its listeners. A thread with a synchronous
stream serves synchronous and asyncio channels alike, whatever event loops come and go.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import grpc

from ..errors import BootstrapError, PolicyError, ProtocolError, ServiceNotFound, Unavailable
from ..model import Assignment, Policy, Seat
from ..xds.assignment import decode_assignment
from ..xds.client_stream import ClientStream, Reaction, Update
from ..xds.cluster import decode_policy
from ..xds.discovery import NOT_FOUND, ClientNode, DiscoveryRequest, DiscoveryResponse, ResourceError
from ..xds.identifier import SEEN
from ..xds.resource_type import CLUSTERS, ENDPOINTS, SEATS
from ..xds.seat import HELD_KEY, decode_seat, encode_held
from .ads_transport import AdsStream, reason
from .assignment_store import AssignmentStore, Kept, read_kept
from .bootstrap import Bootstrap, ControlPlane
from .comeback import Comeback
from .control_planes import ControlPlanes
from .keeper import Keeper
from .listeners import Listeners

logger = logging.getLogger(__name__)

_SEATED_ABOVE = 8
"""Endpoints of a service from which on it may matter which of its clients this one is."""

News = Assignment | Policy | PolicyError | Seat | Unavailable
Listener = Callable[[News], object]
"""Told about one service; called from the discovery thread and must return at once."""


class Discovery:
    """Subscriptions to the services of one control plane, or of the next when it cannot be reached. Every method may be called from any thread."""

    def __init__(self, bootstrap: Bootstrap, rng: random.Random | None = None) -> None:
        rng = rng or random.Random()
        self._planes = ControlPlanes(bootstrap.servers, rng, time.monotonic())
        self._last_server: ControlPlane | None = None
        self._returning_to: ControlPlane | None = None
        self._protocol: ClientStream[Assignment] = ClientStream(ENDPOINTS, bootstrap.node, self._decode)
        self._policies: ClientStream[Policy | PolicyError] = ClientStream(CLUSTERS, bootstrap.node, self._decode_policy)
        self._seats: ClientStream[Seat] = ClientStream(SEATS, bootstrap.node, decode_seat)
        self._every_type: tuple[ClientStream[Any], ...] = (self._protocol, self._policies, self._seats)
        self._gives_seats = False
        """Whether the control plane of this stream is Trimtab's: others need not take kindly to a type they do not know."""
        self._node = bootstrap.node
        self._seen = 0
        self._clock_offset_s: float | None = None
        self._zone = bootstrap.node.locality.zone
        self._listeners: Listeners[News] = Listeners()
        self._policy_listeners: Listeners[News] = Listeners()
        self._refused: dict[str, Unavailable] = {}
        self._warned: set[str] = set()
        self._restored: dict[str, tuple[News, ...]] = {}
        self._keeper: Keeper | None = None
        if bootstrap.keep is not None:
            store = AssignmentStore(bootstrap.keep, bootstrap)
            self._keeper = Keeper(store, self._restore, self._waits, lambda: self.answering)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._stream: AdsStream | None = None
        self._thread: threading.Thread | None = None

    def subscribe(self, name: str, listener: Listener, *, policy: bool = True) -> None:
        """Tell `listener` what is known about `name`, now and whenever that changes; with `policy` also how to balance it."""
        with self._lock:
            if policy:
                self._policy_listeners.add(name, listener)
                # Before the endpoints: how many of them to connect to is a matter of policy.
                self._send(self._policies.subscribe(name))
                if (served := self._policies.known(name)) is not None:
                    listener(served)
            if (seat := self._seats.known(name)) is not None:
                listener(seat)
            self._listeners.add(name, listener)
            self._send(self._protocol.subscribe(name))
            # An assignment without endpoints is news too, though it is falsy.
            known = self._protocol.known(name)
            news = self._refused.get(name) if known is None else known
            for told in self._restored.get(name, ()) if news is None else (news,):
                if policy or not isinstance(told, Policy):
                    listener(told)
            if self._keeper is not None:
                self._keeper.wanted(name)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="trimtab-discovery", daemon=True)
                self._thread.start()

    def unsubscribe(self, name: str, listener: Listener) -> None:
        """Tell `listener` no more."""
        with self._lock:
            if self._listeners.remove(name, listener):
                self._refused.pop(name, None)
                self._restored.pop(name, None)
                self._send(self._protocol.unsubscribe(name))
                if self._keeper is not None:
                    self._keeper.dropped(name)
                self._send(self._seats.unsubscribe(name))
            if self._policy_listeners.remove(name, listener):
                self._send(self._policies.unsubscribe(name))

    def stop(self) -> None:
        """Tell the thread to close the stream and end; it does so at once, this does not wait for it."""
        self._stopped.set()
        with self._lock:
            stream = self._stream
        if stream is not None:
            stream.cancel()
        if self._keeper is not None:
            self._keeper.stop()

    @property
    def answering(self) -> bool:
        """Whether there is a stream on which the control plane has answered."""
        return self._planes.answering

    def describe(self) -> str:
        """How it stands with the control plane and what to do about it, for an error message."""
        return self._planes.describe(time.monotonic())

    def _run(self) -> None:
        while not self._stopped.is_set():
            wait_s = self._lost(self._conversed())
            self._stopped.wait(wait_s)

    def _conversed(self) -> str:
        """Speak to a control plane for as long as it lasts; why it ended."""
        try:
            self._converse()
        except grpc.RpcError as error:
            return reason(error, self._planes.current.security)
        except BootstrapError as error:
            return str(error)
        except Exception as error:
            logger.exception("discovery failed unexpectedly; it will be tried again")
            return repr(error)
        return "the control plane closed the stream"

    def _converse(self) -> None:
        server = self._planes.current
        stream = AdsStream(server)
        comeback = Comeback(self._planes.preferred, self._planes.until_look_s, self._return_to)
        try:
            with self._lock:
                self._stream = stream
                self._begin(server)
            comeback.start()
            if self._stopped.is_set():
                return
            for data in stream:
                self._received(data)
        finally:
            comeback.stop()
            with self._lock:
                self._stream = None
                for subscriptions in self._every_type:
                    subscriptions.disconnected()
                self._gives_seats = False
            stream.close()

    def _begin(self, server: ControlPlane) -> None:
        """Ask for everything that is subscribed to."""
        if server is not self._last_server:
            # Another server's versions say nothing to this one.
            for subscriptions in self._every_type:
                subscriptions.forget_version()
        self._last_server = server
        node = self._presented()
        about_policies = self._policies.connected(node)
        if about_policies.names:
            # To ask for no cluster in particular would be to ask for all.
            self._send(about_policies)
        self._send(self._protocol.connected(node))

    def _presented(self) -> ClientNode:
        """Who we are, what we have seen and which seats we have: a control plane that knows less shall not roll us back."""
        said = {SEEN: str(self._seen)} if self._seen else {}
        if seats := self._seats.everything_known:
            said[HELD_KEY] = encode_held(seats)
        return replace(self._node, metadata=MappingProxyType({**self._node.metadata, **said})) if said else self._node

    def _return_to(self, server: ControlPlane) -> None:
        """A control plane that comes before the current one is back."""
        with self._lock:
            self._returning_to = server
            if self._stream is not None:
                self._stream.cancel()

    def _received(self, data: bytes) -> None:
        try:
            response = DiscoveryResponse.parse(data)
            with self._lock:
                self._answered()
                if response.said is not None:
                    self._clock_offset_s = time.monotonic() - response.said.unix_s
                    # What the cluster says of a Node or Pod goes before what somebody configured.
                    self._zone = response.said.zone or self._zone
                    self._seen = max(self._seen, response.said.seen)
                reaction = self._take(response)
                self._send(reaction.request)
        except ProtocolError as error:
            # Without a nonce there is nothing to refuse; the subscription stands and so does what is known.
            logger.warning("control plane %s sent %s; ignored", self._planes.current.uri, error)
            return
        if reaction.request.error is not None:
            logger.warning(
                "control plane %s sent what cannot be used, the last good state stays: %s",
                self._planes.current.uri,
                reaction.request.error,
            )

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
        reaction = self._protocol.received(response)
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
        if self._keeper is not None:
            self._keeper.assigned(assignment.cluster, version, body, self._zone)
        return assignment.cluster, replace(assignment, clock_offset_s=self._clock_offset_s, client_zone=self._zone)

    def _decode_policy(self, body: bytes, version: str) -> tuple[str, Policy | PolicyError]:
        name, policy = decode_policy(body)
        if self._keeper is not None:
            self._keeper.balanced(name, body)
        return name, policy

    def _waits(self, name: str) -> bool:
        """Whether somebody waits to hear anything of a service."""
        with self._lock:
            return name in self._listeners and self._protocol.known(name) is None and name not in self._refused

    def _restore(self, name: str, kept: Kept) -> None:
        """In the keeper's thread: what is on disk has to do until a control plane answers."""
        news = read_kept(kept, self._zone)
        with self._lock:
            if not news or self._protocol.known(name) is not None or name in self._refused:
                return
            self._restored[name] = news
            for told in news:
                listeners = self._policy_listeners if isinstance(told, Policy) else self._listeners
                listeners.tell(name, told)
        age_s = time.time() - kept.confirmed_at
        logger.warning("%s: no control plane answers; using what one said %.0f s ago, from disk", name, age_s)

    def _answered(self) -> None:
        if message := self._planes.answered():
            logger.info(message)

    def _lost(self, reason: str) -> float:
        """What the end of a stream comes to: seconds until the next attempt."""
        if self._stopped.is_set():
            return 0.0
        with self._lock:
            server, self._returning_to = self._returning_to, None
        if server is not None:
            logger.info("control plane %s can be reached again and is returned to", server.uri)
            self._planes.back(server, time.monotonic())
            return 0.0
        loss = self._planes.lost(reason, time.monotonic())
        if loss.message:
            logger.warning(loss.message)
        return loss.wait_s

    def _publish(self, update: Update[Assignment]) -> None:
        if update.error is not None:
            self._restored.pop(update.name, None)
            if self._keeper is not None and update.error.code == NOT_FOUND:
                self._keeper.disowned(update.name)
        if update.resource is not None:
            self._refused.pop(update.name, None)
            self._restored.pop(update.name, None)
            self._warned.discard(update.name)
            self._listeners.tell(update.name, update.resource)
        elif update.error is not None and self._protocol.known(update.name) is None:
            self._refused[update.name] = refusal = _refusal(update.error)
            self._listeners.tell(update.name, refusal)
        elif update.error is not None and update.name not in self._warned:
            self._warned.add(update.name)
            logger.warning("%s: %s; the last known endpoints stay in use", update.name, update.error.message)

    def _send(self, request: DiscoveryRequest | None) -> None:
        if request is not None and self._stream is not None:
            self._stream.send(request.serialize())


def _refusal(error: ResourceError) -> Unavailable:
    said = f"{error.name}: {error.message or 'the control plane does not serve it'}"
    if error.code == NOT_FOUND:
        return ServiceNotFound(f"{said}; check the channel's target, and what `trimtab endpoints` lists")
    return Unavailable(said)
