"""What this process knows from its control plane: one ADS stream, shared by every channel of the process.

The protocol is `xds.client_stream`, what was learned is `knowledge`; here are its thread and its reconnects. A thread with a
synchronous stream serves synchronous and asyncio channels alike, whatever event loops come and go.
"""

import logging
import random
import threading
import time

import grpc

from ..errors import BootstrapError, ProtocolError
from ..xds.discovery import DiscoveryRequest, DiscoveryResponse
from .ads_transport import AdsStream, reason
from .assignment_store import AssignmentStore, Kept, read_kept
from .bootstrap import Bootstrap, ControlPlane
from .comeback import Comeback
from .control_planes import ControlPlanes
from .keeper import Keeper
from .knowledge import Knowledge, Listener

logger = logging.getLogger(__name__)


class Discovery:
    """Subscriptions to the services of one control plane, or of the next when it cannot be reached. Every method may be called from any thread."""

    def __init__(self, bootstrap: Bootstrap, rng: random.Random | None = None) -> None:
        rng = rng or random.Random()
        self._planes = ControlPlanes(bootstrap.servers, rng, time.monotonic())
        self._last_server: ControlPlane | None = None
        self._returning_to: ControlPlane | None = None
        self._knowledge = Knowledge(bootstrap.node, self._send)
        if bootstrap.keep is not None:
            store = AssignmentStore(bootstrap.keep, bootstrap)
            self._knowledge.keeper = Keeper(store, self._restore, self._waits, lambda: self.answering)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._stream: AdsStream | None = None
        self._thread: threading.Thread | None = None

    def subscribe(self, name: str, listener: Listener, *, policy: bool = True) -> None:
        """Tell `listener` what is known about `name`, now and whenever that changes; with `policy` also how to balance it."""
        with self._lock:
            self._knowledge.subscribe(name, listener, policy)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="trimtab-discovery", daemon=True)
                self._thread.start()

    def unsubscribe(self, name: str, listener: Listener) -> None:
        """Tell `listener` no more."""
        with self._lock:
            self._knowledge.unsubscribe(name, listener)

    def stop(self) -> None:
        """Tell the thread to close the stream and end; it does so at once, this does not wait for it."""
        self._stopped.set()
        with self._lock:
            stream = self._stream
        if stream is not None:
            stream.cancel()
        if self._knowledge.keeper is not None:
            self._knowledge.keeper.stop()

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
                self._knowledge.connected(anew=server is not self._last_server)
                self._last_server = server
            comeback.start()
            if self._stopped.is_set():
                return
            for data in stream:
                self._received(data)
        finally:
            comeback.stop()
            with self._lock:
                self._stream = None
                self._knowledge.disconnected()
            stream.close()

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
                if message := self._planes.answered():
                    logger.info(message)
                unusable = self._knowledge.received(response, time.monotonic())
        except ProtocolError as error:
            # Without a nonce there is nothing to refuse; the subscription stands and so does what is known.
            logger.warning("control plane %s sent %s; ignored", self._planes.current.uri, error)
            return
        if unusable is not None:
            logger.warning(
                "control plane %s sent what cannot be used, the last good state stays: %s",
                self._planes.current.uri,
                unusable,
            )

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

    def _waits(self, name: str) -> bool:
        """In the keeper's thread: whether somebody waits to hear anything of a service."""
        with self._lock:
            return self._knowledge.waits(name)

    def _restore(self, name: str, kept: Kept) -> None:
        """In the keeper's thread: what is on disk has to do until a control plane answers."""
        news = read_kept(kept, self._knowledge.zone)
        with self._lock:
            if not news or not self._knowledge.lacks(name):
                return
            self._knowledge.restore(name, news)
        age_s = time.time() - kept.confirmed_at
        logger.warning("%s: no control plane answers; using what one said %.0f s ago, from disk", name, age_s)

    def _send(self, request: DiscoveryRequest | None) -> None:
        if request is not None and self._stream is not None:
            self._stream.send(request.serialize())
