"""What this process knows from one control plane: one ADS stream, shared by every channel of the process.

The protocol is `xds.client_stream`; here are its thread, its reconnects and its listeners. A thread with a synchronous
stream serves synchronous and asyncio channels alike, whatever event loops come and go.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import grpc

from ..errors import BootstrapError, PolicyError, ProtocolError, ServiceNotFound, Unavailable
from ..model import Assignment, Policy
from ..xds.assignment import decode_assignment
from ..xds.backoff import Backoff
from ..xds.client_stream import ClientStream, Reaction, Update
from ..xds.cluster import decode_policy
from ..xds.discovery import NOT_FOUND, DiscoveryRequest, DiscoveryResponse, ResourceError
from ..xds.resource_type import CLUSTERS, ENDPOINTS
from .ads_transport import AdsStream, reason
from .bootstrap import Bootstrap

logger = logging.getLogger(__name__)

News = Assignment | Policy | PolicyError | Unavailable
Listener = Callable[[News], object]
"""Told about one service; called from the discovery thread and must return at once."""


class Discovery:
    """Subscriptions to the services of one control plane. Every method may be called from any thread."""

    def __init__(self, bootstrap: Bootstrap, rng: random.Random | None = None) -> None:
        self._server = bootstrap.servers[0]
        self._protocol: ClientStream[Assignment] = ClientStream(ENDPOINTS, bootstrap.node, self._decode)
        self._policies: ClientStream[Policy | PolicyError] = ClientStream(CLUSTERS, bootstrap.node, _decode_policy)
        self._policy_listeners: dict[str, list[Listener]] = {}
        self._clock_offset_s: float | None = None
        self._listeners: dict[str, list[Listener]] = {}
        self._refused: dict[str, Unavailable] = {}
        self._warned: set[str] = set()
        self._backoff = Backoff(rng or random.Random())
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._stream: AdsStream | None = None
        self._answering = False
        self._silent_since = time.monotonic()
        self._trouble = ""
        self._thread: threading.Thread | None = None

    def subscribe(self, name: str, listener: Listener, *, policy: bool = True) -> None:
        """Tell `listener` what is known about `name`, now and whenever that changes; with `policy` also how to balance it."""
        with self._lock:
            if policy:
                self._policy_listeners.setdefault(name, []).append(listener)
                # Before the endpoints: how many of them to connect to is a matter of policy.
                self._send(self._policies.subscribe(name))
                if (served := self._policies.known(name)) is not None:
                    listener(served)
            self._listeners.setdefault(name, []).append(listener)
            self._send(self._protocol.subscribe(name))
            # An assignment without endpoints is news too, though it is falsy.
            known = self._protocol.known(name)
            news = self._refused.get(name) if known is None else known
            if news is not None:
                listener(news)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="trimtab-discovery", daemon=True)
                self._thread.start()

    def unsubscribe(self, name: str, listener: Listener) -> None:
        """Tell `listener` no more."""
        with self._lock:
            listeners = self._listeners.get(name, [])
            if listener in listeners:
                listeners.remove(listener)
            if not listeners and self._listeners.pop(name, None) is not None:
                self._refused.pop(name, None)
                self._send(self._protocol.unsubscribe(name))
            followers = self._policy_listeners.get(name, [])
            if listener in followers:
                followers.remove(listener)
            if not followers and self._policy_listeners.pop(name, None) is not None:
                self._send(self._policies.unsubscribe(name))

    def stop(self) -> None:
        """Tell the thread to close the stream and end; it does so at once, this does not wait for it."""
        self._stopped.set()
        with self._lock:
            stream = self._stream
        if stream is not None:
            stream.cancel()

    @property
    def answering(self) -> bool:
        """Whether there is a stream on which the control plane has answered."""
        return self._answering

    def describe(self) -> str:
        """How it stands with the control plane and what to do about it, for an error message."""
        plane, silent_s = f"control plane {self._server.uri}", time.monotonic() - self._silent_since
        if self._answering:
            return f"{plane} is connected but has not sent this service; check that it knows the service by this name"
        check = "check that it runs and that the bootstrap names its address"
        if self._trouble:
            return f"{plane} has been unreachable for {silent_s:.1f} s: {self._trouble}; {check}"
        return f"{plane} has not answered for {silent_s:.1f} s; {check}"

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._converse()
            except grpc.RpcError as error:
                self._lost(reason(error, self._server.security))
            except BootstrapError as error:
                self._lost(str(error))
            except Exception as error:
                logger.exception("discovery failed unexpectedly; it will be tried again")
                self._lost(repr(error))
            else:
                self._lost("the control plane closed the stream")
            self._stopped.wait(self._backoff.next_s())

    def _converse(self) -> None:
        stream = AdsStream(self._server)
        try:
            with self._lock:
                self._stream = stream
                about_policies = self._policies.connected()
                if about_policies.names:
                    # To ask for no cluster in particular would be to ask for all.
                    self._send(about_policies)
                self._send(self._protocol.connected())
            if self._stopped.is_set():
                return
            for data in stream:
                self._received(data)
        finally:
            with self._lock:
                self._stream = None
                self._protocol.disconnected()
                self._policies.disconnected()
            stream.close()

    def _received(self, data: bytes) -> None:
        try:
            response = DiscoveryResponse.parse(data)
            with self._lock:
                self._answered()
                if response.served_at is not None:
                    self._clock_offset_s = time.monotonic() - response.served_at
                reaction = self._take(response)
                self._send(reaction.request)
        except ProtocolError as error:
            # Without a nonce there is nothing to refuse; the subscription stands and so does what is known.
            logger.warning("control plane %s sent %s; ignored", self._server.uri, error)
            return
        if reaction.request.error is not None:
            logger.warning(
                "control plane %s sent what cannot be used, the last good state stays: %s",
                self._server.uri,
                reaction.request.error,
            )

    def _take(self, response: DiscoveryResponse) -> Reaction[Any]:
        if response.type_url == CLUSTERS:
            policies = self._policies.received(response)
            for served in policies.updates:
                # A cluster that is gone, or was never there, changes nothing: the last policy stays.
                if served.resource is not None:
                    for listener in tuple(self._policy_listeners.get(served.name, ())):
                        listener(served.resource)
            return policies
        reaction = self._protocol.received(response)
        for update in reaction.updates:
            self._publish(update)
        return reaction

    def _decode(self, body: bytes, version: str) -> tuple[str, Assignment]:
        assignment = decode_assignment(body, version)
        return assignment.cluster, replace(assignment, clock_offset_s=self._clock_offset_s)

    def _answered(self) -> None:
        # A stream that was answered once is no failure when it ends (gRFC A57): the next wait is short.
        self._backoff.reset()
        if not self._answering and self._trouble:
            logger.info("control plane %s answers again", self._server.uri)
        self._answering, self._trouble = True, ""

    def _lost(self, reason: str) -> None:
        if self._stopped.is_set():
            return
        if self._answering:
            self._silent_since = time.monotonic()
            logger.warning("control plane %s is lost, what is known stays in use: %s", self._server.uri, reason)
        elif not self._trouble:
            logger.warning("control plane %s cannot be reached, which is tried again: %s", self._server.uri, reason)
        self._answering, self._trouble = False, reason

    def _publish(self, update: Update[Assignment]) -> None:
        if update.resource is not None:
            self._refused.pop(update.name, None)
            self._warned.discard(update.name)
            self._tell(update.name, update.resource)
        elif update.error is not None and self._protocol.known(update.name) is None:
            self._refused[update.name] = refusal = _refusal(update.error)
            self._tell(update.name, refusal)
        elif update.error is not None and update.name not in self._warned:
            self._warned.add(update.name)
            logger.warning("%s: %s; the last known endpoints stay in use", update.name, update.error.message)

    def _tell(self, name: str, news: Assignment | Unavailable) -> None:
        for listener in tuple(self._listeners.get(name, ())):
            listener(news)

    def _send(self, request: DiscoveryRequest | None) -> None:
        if request is not None and self._stream is not None:
            self._stream.send(request.serialize())


def _decode_policy(body: bytes, version: str) -> tuple[str, Policy | PolicyError]:
    return decode_policy(body)


def _refusal(error: ResourceError) -> Unavailable:
    said = f"{error.name}: {error.message or 'the control plane does not serve it'}"
    if error.code == NOT_FOUND:
        return ServiceNotFound(f"{said}; check the channel's target, and what `trimtab endpoints` lists")
    return Unavailable(said)
