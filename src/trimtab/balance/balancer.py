"""The slow path: keeps the nodes of one service and publishes a plan for picking whenever something about them changes."""

import logging
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from ..errors import TooManyRequests
from ..model import Assignment, Health, Policy, Seat
from .aperture import Aperture, Part
from .candidates import Level, candidates
from .changes import Changes
from .choice import Choice
from .cost import cost_of
from .explain import Belonging
from .fair_shares import FairShares
from .feedback import Feedback
from .newcomers import introduce
from .node import Connectivity, Node
from .pick import Pick
from .picker import Strategy
from .plan import Plan, plan
from .quota import Rations
from .recorder import Recorder, guarded
from .registry import strategy
from .request import Request
from .shards import Shards
from .upkeep import REFRESH_S, Upkeep
from .zones import Zones

logger = logging.getLogger(__name__)

Tracer = Callable[[Request, Choice], object]


class Balancer:
    """Picks an endpoint for each call of one service.

    `update`, `adopt`, `connectivity_changed` and `refresh` are called in one thread at a time. `pick` may be called from any
    thread at any time: all it reads of the slow path is the current plan, and that is replaced by one attribute assignment.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        client_id: str,
        rng: random.Random,
        clock: Callable[[], float],
        wake: Callable[[], object] | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        """`clock` is monotonic, in seconds. `wake` is called from any thread when it is time to `refresh`; without it the pick
        that notices does that itself, which suits a single thread. Raises PolicyError."""
        self._client_id = client_id
        self._rng = rng
        self._clock = clock
        self._policy = Policy()
        self._wake = wake or self.refresh
        self._recorder = guarded(recorder)
        self._rations = Rations(rng)
        self._nodes: dict[tuple[str, int, str], Node] = {}
        self._fleet: set[Pick] = set()
        self._assignment: Assignment | None = None
        self._aperture = Aperture(client_id)
        self._levels: Sequence[Level] | None = ()
        self._unready: Mapping[int, int] = {}
        self._out: Sequence[Node] = ()
        self._plan: Plan | None = None
        self._published: object = None
        self._refreshed_at = self._due_at = float("-inf")
        self._idle_pairs = 0
        self._tracer: Tracer | None = None
        self._blamed: Tracer | None = None
        self._shards: Shards | None = None
        self._take(policy)

    @property
    def policy(self) -> Policy:
        """How it balances now."""
        return self._policy

    @property
    def tracer(self) -> Tracer | None:
        """Told of every pick with its candidates and the reason; None costs nothing."""
        return self._tracer

    @tracer.setter
    def tracer(self, tracer: Tracer | None) -> None:
        self._tracer = tracer
        for shard in self._parts:
            shard.tracer = tracer

    @property
    def nodes(self) -> Collection[Node]:
        """Every node of the current assignment that is in use."""
        return self._nodes.values() if self._shards is None else self._shards.nodes

    @property
    def part(self) -> Part:
        """How much of the fleet is used, and why."""
        return self._aperture.part

    @property
    def waiting(self) -> bool:
        """No call can be placed now, but a connection under way may change that."""
        return self._levels is None if self._shards is None else any(shard.waiting for shard in self._parts)

    def unmatched(self, request: Request) -> str | None:
        """Why this request can go nowhere, though others can: it asks for a shard that no endpoint has. None: that is not so."""
        return None if self._shards is None else self._shards.unmatched(request)

    @property
    def _parts(self) -> Collection["Balancer"]:
        return () if self._shards is None else tuple(self._shards.balancers)

    @property
    def idle_pairs(self) -> int:
        """Picks so far whose two candidates were both idle; 0 where the strategy does not compare two."""
        return int(getattr(self._strategy, "idle_pairs", 0)) + sum(shard.idle_pairs for shard in self._parts)

    @property
    def crossings(self) -> Mapping[str, int]:
        """Picks so far that left the client's zone, by reason (`trimtab.balance.zone_shares`); without those of which there are
        none."""
        return sum((Counter(shard.crossings) for shard in self._parts), +Counter(self._zones.crossings.counts))

    @property
    def client_zone(self) -> str:
        """Where this client runs; empty: not known."""
        return "" if self._assignment is None else self._assignment.client_zone

    @property
    def belongings(self) -> Mapping[Node, Belonging]:
        """For people: every node that is in use, and which calls belong to it, in its shard if it is in one."""
        own = self._zones.belongings(self._nodes.values(), self._levels or ())
        return {**own, **{node: known for shard in self._parts for node, known in shard.belongings.items()}}

    @property
    def why_nobody(self) -> str:
        """Why no endpoint may be used although there are some, and what to do; empty: that is not so."""
        return self._zones.why_nobody or next((why for shard in self._parts if (why := shard.why_nobody)), "")

    # The fast path.

    def pick(self, request: Request) -> Pick | None:
        """A node for this request, or None: then `waiting` tells whether waiting can help.

        Raises TooManyRequests when as many calls are in flight as the policy allows, ValueError for a request whose declared
        cost is no number.
        """
        if self._shards is not None:
            return self._shards.pick(request)
        now = self._clock()
        if now >= self._due_at:
            self._due_at = now + REFRESH_S
            self._wake()
        if self._limit is not None and len(self._fleet) >= self._limit:
            raise TooManyRequests(self._too_many(self._limit))
        while (plan := self._plan) is not None:
            if self._tracer is not None:
                node = self._traced(plan, request, self._tracer)
            elif plan.unlimited is None:
                node = plan.picker.pick(request)
            else:
                node = plan.rationed(plan.unlimited, self._rations, request)
            if node.quota is not None:
                self._zones.crossed(node)
            pick = Pick(node, now) if self._cost_free else self._weighed(node, now, request)
            if not node.retired:
                if self._recorder is not None:
                    pick.method = request.method
                    self._recorder.picked(pick)
                return pick
            # Another thread let this node go between reading the plan and choosing: the next plan is already there.
            pick.abandon()
        return None

    def _weighed(self, node: Node, now: float, request: Request) -> Pick:
        amount, declared = cost_of(request, self._policy.cost)
        pick = Pick(node, now, amount)
        if declared is not None:
            try:
                declared.follow(pick)
            except BaseException:
                pick.abandon()
                raise
        return pick

    def _traced(self, plan: Plan, request: Request, tracer: Tracer) -> Node:
        choice = plan.explained(self._rations, request)
        if not choice.node.retired:
            try:
                tracer(request, choice)
            except Exception:
                if self._blamed is not tracer:
                    self._blamed = tracer
                    logger.exception("tracer %r failed; it is called again, and not logged again", tracer)
        return choice.node

    def _too_many(self, limit: int) -> str:
        name = "" if self._assignment is None else f"{self._assignment.cluster}: "
        return (
            f"{name}{limit} in flight already, as many calls as the policy's max_requests allows; "
            "make fewer calls at a time, try again later, or raise the limit"
        )

    # The slow path.

    def adopt(self, policy: Policy) -> Changes:
        """Balance by another policy from now on. Raises PolicyError, and then the policy before stays."""
        cost_free = self._cost_free
        left = self._take(policy)
        for node in self._nodes.values():
            self._attach(node)
            if cost_free and not self._cost_free:
                for pick in node.outstanding.copy():
                    # Nobody was asked what it weighs, and nothing it is not.
                    pick.cost = pick.cost or 1.0
        changes = self.update(self._assignment) if self._assignment is not None else Changes()
        return Changes.joined((Changes(closed=left), changes))

    def update(self, assignment: Assignment) -> Changes:
        """Take over a new assignment. Nodes whose endpoint stays keep all they know."""
        self._assignment = assignment
        if self._shards is not None:
            return self._shards.update(assignment)
        now = self._clock()
        self._zones.assign(assignment)
        admitted = [item for item in assignment.endpoints() if self._zones.admits(item[1])]
        self._unready = Counter(p for p, endpoint in admitted if endpoint.health is Health.UNHEALTHY)
        before = dict(self._nodes)
        known = tuple(before.values())
        self._nodes = {}
        opened: list[Node] = []
        compares = bool(getattr(self._strategy, "compares_loads", False))
        for priority, endpoint in self._aperture.choose(assignment, self._policy, self._zones.admits, compares):
            node = before.pop(endpoint.identity, None)
            if node is None:
                node = Node(endpoint, priority)
                introduce(node, assignment, known, now)
                self._attach(node)
                opened.append(node)
            node.endpoint, node.priority = endpoint, priority
            self._nodes[endpoint.identity] = node
        self._zones.settle(self._nodes.values())
        self._renew(now, changed=True)
        return Changes(opened=tuple(opened), closed=tuple(before.values()))

    def halt(self) -> None:
        """Pick nobody any more, and ask nothing of anybody."""
        self._nodes, self._levels, self._plan, self._shards = {}, (), None, None
        self._due_at = float("inf")

    def connectivity_changed(self, node: Node, state: Connectivity) -> None:
        """The connection to `node` changed its state."""
        self.connectivities_changed({node: state})

    def connectivities_changed(self, states: Mapping[Node, Connectivity]) -> None:
        """Connections changed their states: many at once cost what one does."""
        if self._shards is not None:
            self._shards.connectivities_changed(states)
            return
        for node, state in states.items():
            node.connectivity = state
        if any(self._nodes.get(node.endpoint.identity) is node for node in states):
            self._sort_out()
            self._publish()

    def refresh(self) -> Changes:
        """Bring up to date what changes with time, and publish it. Asked for by `wake` when it is due."""
        if self._shards is not None:
            return self._shards.refresh()
        now = self._clock()
        if self._aperture.measure(self._nodes.values(), now) and self._assignment:
            return self.update(self._assignment)
        self._renew(now, changed=False)
        return Changes()

    def seated(self, seat: Seat | None) -> Changes:
        """The control plane gave this client a seat among all clients of the service, or took it away."""
        if seat == self._aperture.seat:
            return Changes()
        self._aperture.seat = seat
        return Changes() if self._assignment is None or self._shards is not None else self.update(self._assignment)

    def _renew(self, now: float, *, changed: bool) -> None:
        """`changed`: it may be other nodes, or others that may take calls."""
        self._refreshed_at = now
        nodes = self._nodes.values()
        self._upkeep.renew(nodes, now, recount=changed)
        self._zones.refresh(nodes, now)
        ejected = [node for node in nodes if node.ejected_until is not None]
        if changed or ejected != self._out:
            self._out = ejected
            self._sort_out()
        self._publish()
        self._due_at = min(self._upkeep.next_at(nodes, now), self._zones.refresh_at)
        self._report()

    def _take(self, policy: Policy) -> tuple[Node, ...]:
        """Balance by `policy`. Returns the nodes that lose their place because the service is divided otherwise now."""
        self._strategy: Strategy = strategy(policy, self._rng)
        self._zones = Zones(policy, self._strategy, self._rng)
        left: tuple[Node, ...] = ()
        if policy.shards != self._policy.shards:
            left, self._nodes, self._plan, self._shards = tuple(self.nodes), {}, None, None
        self._policy = policy
        self._feedback = Feedback(policy, self._clock, self._refresh_soon, self._recorder)
        self._upkeep = Upkeep(policy, self._clock(), self._ejected)
        self._cost_free = policy.load != "cost"
        self._limit = policy.max_requests
        self._counts_fleet = self._limit is not None or bool(getattr(self._strategy, "counts_fleet", False))
        if not self._counts_fleet:
            # Nobody takes out any more what is in it.
            self._fleet = set()
        self.wants_reports = bool(getattr(self._strategy, "wants_reports", False))
        """Whether outcomes should carry the load reports of backends."""
        self._published = None
        if self._shards is not None:
            self._shards.adopt(policy)
        elif policy.shards is not None:
            self._shards = Shards(policy, self._client_id, self._rng, self._shard, self._wake)
        self._idle_pairs, self._crossings = self.idle_pairs, Counter(self._zones.crossings.counts)
        return left

    def _shard(self, policy: Policy, wake: Callable[[], object]) -> "Balancer":
        """The balancer of one shard, for whom it is the whole service."""
        shard = Balancer(
            policy, client_id=self._client_id, rng=self._rng, clock=self._clock, wake=wake, recorder=self._recorder
        )
        shard.tracer = self._tracer
        return shard

    def _attach(self, node: Node) -> None:
        self._upkeep.begin(node)
        node.feedback = self._feedback
        node.place = None
        node.fleet = self._fleet if self._counts_fleet else None
        if node.fleet is not None:
            for pick in node.outstanding.copy():
                node.fleet.add(pick)
                # It may have ended meanwhile, and not have found itself there.
                if pick not in node.outstanding:
                    node.fleet.discard(pick)

    def _refresh_soon(self) -> None:
        self._due_at = min(self._due_at, self._refreshed_at + REFRESH_S)

    def _ejected(self, node: Node, reason: str) -> None:
        if self._recorder is not None:
            self._recorder.ejected(node, reason)

    def _report(self) -> None:
        """Tell the recorder what is counted without it."""
        idle_pairs, crossings = self.idle_pairs, Counter(self._zones.crossings.counts)
        if self._recorder is not None:
            if idle_pairs > self._idle_pairs:
                self._recorder.idle_pairs(idle_pairs - self._idle_pairs)
            for reason, count in (crossings - self._crossings).items():
                self._recorder.crossed(reason, count)
        self._idle_pairs, self._crossings = idle_pairs, crossings

    def _sort_out(self) -> None:
        """Who may take calls."""
        nodes = self._nodes.values()
        self._levels = candidates(nodes, self._unready)
        self._zones.divide(self._levels or (), nodes)

    def _publish(self) -> None:
        levels = self._levels
        if not levels:
            self._plan = self._published = None
            return
        spread = self._zones.spread()
        self._rations.deal(self._nodes.values(), partial(FairShares, self._nodes.values(), levels, spread))
        nodes = [node for level in levels for node in level.nodes]
        limited = [node for node in nodes if node.quota is not None]
        if limited:
            self._refresh_soon()
        self._rations.hold(limited, anybody_else=len(limited) < len(nodes))
        # One list for each attribute: the fleet may be large, and most of the time nothing differs.
        shares = [node.share for node in nodes]
        factors = [node.factor for node in nodes]
        reports = [(node, node.reported_weight, node.unproven_weight) for node in nodes if node.utilization is not None]
        state = levels, limited, shares, factors, reports, spread
        if state != self._published:
            self._published = state
            self._plan = plan(levels, self._zones.picker, self._rng)
