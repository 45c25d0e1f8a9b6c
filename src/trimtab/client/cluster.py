"""One service as one channel sees it: discovery, balancer and connections brought together.

Everything but `pick` runs in the channel's loop, one thing after the other. Synchronous and asyncio channels share this
file; what differs is the loop and how a connection is opened.
"""

import logging
import random
import sys
import threading
import time
from collections.abc import Callable, Mapping

from ..balance import Balancer, Changes, Connectivity, Explanation, Node, Pick, Request, Tracer, explain
from ..errors import ForkError, NoEndpoints, PolicyError, Unavailable
from ..model import Assignment, Policy, Seat
from . import discoveries, forks
from .connections import Connect, Connection, Connections
from .discovery import Discovery
from .knowledge import News
from .loop import Loop
from .service import Service
from .whereabouts import FALLBACK_AFTER_S, Whereabouts

logger = logging.getLogger(__name__)


class Cluster:
    """The endpoints of one service, connected and balanced."""

    def __init__(self, service: Service, connect: Connect, *, asynchronous: bool) -> None:
        """Raises PolicyError, or ForkError where gRPC cannot be used in this process."""
        self.name = service.name
        self.asynchronous = asynchronous
        self._bootstrap = service.bootstrap
        self._follows_policy = service.policy is None
        self._balancer = Balancer(
            service.policy or Policy(),
            client_id=service.bootstrap.node.id,
            rng=random.Random(),
            clock=time.monotonic,
            wake=self._wake,
            recorder=service.recorder,
        )
        self.pick: Callable[[Request], Pick | None] = self._balancer.pick
        """The hot path, from any thread: a node for this request, or None if there is none right now. Raises TooManyRequests."""
        self.wants_reports = self._balancer.wants_reports
        """Whether backends should be asked for their load with each call."""
        self._loop: Loop | None = None
        self._discovery: Discovery | None = None
        self._connect = connect
        self._connections = self._unconnected()
        self._assigned = False
        self._where = Whereabouts(service.name, service.fallback)
        self._refused: Unavailable | None = None
        self._waiters: dict[Callable[[], object], None] = {}
        self.closed = False
        self.refusal_of_child: ForkError | None = None
        """Set in a forked process that inherited this."""
        forks.opening(self)

    @property
    def started(self) -> bool:
        """Whether it was told which loop to run in."""
        return self._loop is not None

    def start(self, loop: Loop) -> None:
        """Ask for the service's endpoints; news arrive in `loop`."""
        self._loop = loop
        self._discovery = discoveries.current().acquire(self._bootstrap)
        self._discovery.subscribe(self.name, self._heard, policy=self._follows_policy)
        if self.policy.mode == "passthrough":
            self._in_loop(self._move)
        elif self._where.fallback is not None:
            self._in_loop(self._later, FALLBACK_AFTER_S, self._fall_back)

    def close(self) -> None:
        """Take no more calls, and no more news. Connections stay until `disconnect`."""
        if self.closed:
            return
        self.closed = True
        self._hear_no_more()
        self._balancer.update(Assignment(self.name))
        self._changed()

    def orphan(self) -> object:
        """This is the child of a process that was forked: refuse all calls. Returns what the parent goes on to use."""
        self.closed, self.refusal_of_child = True, forks.refusal(self.name)
        self._balancer.halt()
        left = self._discovery, self._connections, self._loop
        self._discovery, self._connections, self._loop = None, self._unconnected(), None
        return left

    def disconnect(self) -> None:
        """Close every connection, with the calls on it."""
        self._connections.close()

    def abandon(self) -> None:
        """The channel was collected without having been closed: whichever thread this is, no lock may be taken here."""
        if self.closed or self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(self._close_and_disconnect)
        except RuntimeError:
            # The event loop is closed, and the connections with it. What is left is the subscription.
            self.closed = True
            if not sys.is_finalizing():
                # Not when the process ends: a thread that is started then never runs, and is waited for without end.
                threading.Thread(target=self._hear_no_more, daemon=True).start()

    def _close_and_disconnect(self) -> None:
        self.close()
        self.disconnect()

    def _hear_no_more(self) -> None:
        if self._discovery is not None:
            self._discovery.unsubscribe(self.name, self._heard)
            discoveries.current().release(self._bootstrap, self._discovery)
            self._discovery = None

    # What people ask.

    def explain(self) -> Explanation:
        """How every node stands, and why it is these."""
        shards, label = self.policy.shards, None
        where, stale_s = self._where.describe(self.policy), self._where.stale_s
        part = str(self._balancer.part)
        if shards is not None:
            label, part = shards.label, f"shards by {shards.label}, each used up to max_connections"
        return explain(
            self._balancer.belongings,
            time.monotonic(),
            label,
            stale_s,
            where=where,
            part=part,
            client_zone=self._balancer.client_zone,
            crossings=self._balancer.crossings,
        )

    def trace(self, tracer: Tracer | None) -> None:
        """Tell `tracer` of every pick from now on; None: nobody."""
        self._balancer.tracer = tracer

    # What calls ask.

    @property
    def policy(self) -> Policy:
        """How calls are balanced now."""
        return self._balancer.policy

    @property
    def assigned(self) -> bool:
        """Whether the control plane has ever sent this service."""
        return self._assigned

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes of the current assignment."""
        return tuple(self._balancer.nodes)

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Every connection, those included that only finish their calls."""
        return tuple(self._connections)

    @property
    def control_plane_answers(self) -> bool:
        """Whether the control plane is connected and has answered."""
        return self._discovery is not None and self._discovery.answering

    def refusal(self, request: Request | None = None) -> Unavailable | None:
        """Why waiting is pointless as things stand, for `request` or for any; None: it is not."""
        if self._refused is not None and not self._assigned and not self.nodes:
            return self._refused
        if nowhere := self._where.nowhere(self.policy):
            return NoEndpoints(f"{self.name}: {nowhere}")
        if self._assigned and not self._balancer.waiting and not self.nodes:
            if nobody := self._balancer.why_nobody:
                return NoEndpoints(f"{self.name}: {nobody}")
            return NoEndpoints(f"{self.name}: the control plane lists no endpoint that may be used; {self._check()}")
        if self._assigned and request is not None and (why := self._balancer.unmatched(request)) is not None:
            return NoEndpoints(
                f"{self.name}: {why}; check what the call asks for, and `trimtab endpoints`. "
                "With `unmatched: any` in policy.shards such calls would go to any endpoint"
            )
        return None

    def _check(self) -> str:
        service, _, label = self.name.partition("/")
        if label:
            return f"check that ready Pods have the label {label}: `trimtab endpoints {service}` shows which there are"
        return "check that the Service's selector matches Pods and that they are ready"

    def awaited(self) -> str:
        """What a call without a node waits for, and how it stands with it."""
        if not self._assigned and not self.nodes:
            found = self._discovery.describe() if self._discovery is not None else "discovery has not started"
            return f"{self.name}: no endpoints known yet; {found}"
        ready = sum(node.connectivity is Connectivity.READY for node in self.nodes)
        return f"{self.name}: {ready} of {len(self.nodes)} endpoints are connected"

    def summary(self) -> str:
        """The service and how it does, for a repr."""
        ready = sum(node.connectivity is Connectivity.READY for node in self.nodes)
        in_flight = sum(node.in_flight for node in self.nodes)
        stale = "" if self._where.stale_s is None else ", known from disk"
        counts = (
            "closed" if self.closed else f"{len(self.nodes)} endpoints, {ready} ready, {in_flight} in flight{stale}"
        )
        return f"{self.name} [{counts}]"

    def connectivity(self) -> Connectivity:
        """The states of all connections as one, as gRPC aggregates those of subchannels."""
        states = {node.connectivity for node in self._balancer.nodes}
        if Connectivity.READY in states:
            return Connectivity.READY
        if self.refusal() is not None or states == {Connectivity.TRANSIENT_FAILURE}:
            return Connectivity.TRANSIENT_FAILURE
        return Connectivity.CONNECTING if self.started else Connectivity.IDLE

    # Whoever waits for a change, in the loop.

    def add_waiter(self, waiter: Callable[[], object]) -> None:
        """Call `waiter` once, at the next change."""
        self._waiters[waiter] = None

    def remove_waiter(self, waiter: Callable[[], object]) -> None:
        """Wait no more."""
        self._waiters.pop(waiter, None)

    def _changed(self) -> None:
        waiters, self._waiters = self._waiters, {}
        for waiter in waiters:
            try:
                waiter()
            except Exception:
                # The others wait for the same change, and have been taken off the list.
                logger.exception("%s: what waited for a change failed", self.name)

    # News, in the loop.

    def _heard(self, news: News) -> None:
        """In the discovery thread: hand over to the loop."""
        self._in_loop(self._apply, news)

    def _wake(self) -> None:
        """In whichever thread picks: something has changed with time."""
        self._in_loop(self._refresh)

    def _in_loop(self, callback: Callable[..., object], *args: object) -> None:
        if self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            logger.debug("%s: its event loop is closed", self.name)

    def _refresh(self) -> None:
        if not self.closed and (changes := self._balancer.refresh()):
            self._follow(changes)

    def _apply(self, news: News) -> None:
        if self.closed:
            return
        if isinstance(news, Policy | PolicyError):
            self._adopt(news)
        elif isinstance(news, Seat):
            self._follow(self._balancer.seated(news))
        elif isinstance(news, Unavailable):
            self._refused = news
            if self._where.stale_s is not None:
                # What was kept on disk is no more, says who knows.
                self._assign(Assignment(self.name))
                self._assigned = False
        else:
            self._refused = None
            self._assign(news)
        self._changed()

    def _adopt(self, policy: Policy | PolicyError) -> None:
        if isinstance(policy, Policy):
            if policy == self._balancer.policy:
                return
            before = self._where.plain(self.policy)
            try:
                changes = self._balancer.adopt(policy)
            except PolicyError as error:
                policy = error
            else:
                logger.info("%s: balanced by %s now", self.name, policy)
                self.wants_reports = self._balancer.wants_reports
                self._follow(changes)
                if before != self._where.plain(policy) or policy.mode == "passthrough":
                    self._move()
                return
        logger.warning("%s: the control plane's policy cannot be honoured, the last one stays: %s", self.name, policy)

    def _assign(self, assignment: Assignment) -> None:
        self._assigned = True
        self._where.heard(assignment)
        self._move()

    def _fall_back(self) -> None:
        """No control plane may have been reached in time."""
        if self.closed or self._assigned:
            return
        if self._refused is not None or self.control_plane_answers:
            # It is there, and may say something yet.
            self._later(FALLBACK_AFTER_S, self._fall_back)
            return
        self._where.fell_back = True
        self._move()
        self._changed()

    def _move(self) -> None:
        """Calls go where they may go now, which may be another place altogether: to plain gRPC, or back."""
        if (assignment := self._where.current(self.policy)) is None:
            return
        changes = self._balancer.update(assignment)
        opened, closed = len(changes.opened), len(changes.closed)
        where = self._where.describe(self.policy)
        logger.info("%s: %d endpoints from %s, %d new, %d gone", self.name, len(assignment), where, opened, closed)
        self._follow(changes)

    def _follow(self, changes: Changes) -> None:
        anew = bool(changes.opened) and len(changes.opened) == len(self.nodes)
        self._connections.follow(changes, self.policy.connect_timeout_s, anew=anew)

    def _unconnected(self) -> Connections:
        return Connections(self._connect, self._connectivities_changed, self._in_loop, self._later)

    def _connectivities_changed(self, states: Mapping[Node, Connectivity]) -> None:
        self._balancer.connectivities_changed(states)
        self._changed()

    def _later(self, delay_s: float, callback: Callable[..., object], *args: object) -> None:
        if self._loop is not None:
            self._loop.call_later(delay_s, callback, *args)
