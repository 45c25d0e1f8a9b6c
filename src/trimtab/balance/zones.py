"""The zones of one service: which calls belong where, and the pickers that follow from it."""

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from ..model import Assignment, Endpoint, Health, Policy
from .candidates import SETTLED, Level
from .explain import Belonging
from .node import Node
from .picker import Picker, Strategy
from .zone import Zone, calibrate, zone_name
from .zone_picker import AnyZonePicker, Crossings, ZonePicker
from .zone_shares import HEALTH, NO_LOCAL, PROBE, REASONS, Part, Spread, Standing, spread

CALIBRATE_S = 0.5
"""How old what is known of a zone's latency may be. What is in flight is seen at every pick."""


class Zones:
    """What the slow path knows of zones. Asked for pickers by the level of nodes that may take calls."""

    def __init__(self, policy: Policy, strategy: Strategy, rng: random.Random) -> None:
        self._on = policy.zone == "prefer" and not getattr(strategy, "spans_zones", False)
        self._only_home = policy.zone == "require"
        self._penalty = policy.zone_penalty
        self._strategy = strategy
        self._rng = rng
        self._zones: dict[tuple[int, str], Zone] = {}
        self._names: Mapping[tuple[str, int, str], str] = {}
        self._weights: Mapping[tuple[int, str], int] = {}
        self._members: dict[int, Mapping[str, _Members]] = {}
        self._absent = NO_LOCAL
        """Why calls leave the client's zone where a priority has nobody in it."""
        self._spreads: Mapping[int, Spread] = {}
        self._calibrated_at: float | None = None
        self.refresh_at = inf
        """When to take in next how calls went."""
        self.divided = False
        """Whether zones make a difference now, so that there is something to keep up to date."""
        self.crossings = Crossings("", dict.fromkeys(REASONS, 0))
        """Picks that left the client's zone so far, by reason."""

    @property
    def home(self) -> str:
        """The client's zone; empty: not known."""
        return self.crossings.home

    def assign(self, assignment: Assignment) -> None:
        """Take over which endpoint is where, and how much the control plane wants where."""
        weights: Counter[tuple[int, str]] = Counter()
        names: dict[tuple[str, int, str], str] = {}
        for group in assignment.localities:
            weights[group.priority, group.locality.zone] += group.weight
            names |= {endpoint.identity: group.locality.zone for endpoint in group.endpoints}
        self._weights, self._names = weights, names
        self.crossings = Crossings(assignment.client_zone, self.crossings.counts)

    def admits(self, endpoint: Endpoint) -> bool:
        """Whether an endpoint may be used at all."""
        return not self._only_home or (bool(self.home) and self._names[endpoint.identity] == self.home)

    @property
    def why_nobody(self) -> str:
        """Why no endpoint may be used although there are some, and what to do; empty: that is not so."""
        if not self._only_home or not self._names:
            return ""
        if not self.home:
            return (
                "policy.zone is require, and nobody knows the zone of this client: give its Pod NODE_NAME or POD_IP, or the "
                "bootstrap node.locality.zone"
            )
        return (
            f"policy.zone is require, and none of the {len(self._names)} endpoints is in zone {self.home}: "
            "run some there, or set policy.zone to prefer"
        )

    def crossed(self, node: Node) -> None:
        """A node with a quota got a call. Pickers do not count them, because they may be refused."""
        known = self._spreads.get(node.priority)
        if known is not None and self.home and zone_name(node) != self.home:
            self.crossings.count(known.why)

    def settle(self, nodes: Collection[Node]) -> None:
        """These are the nodes from now on: each learns its zone, where zones make a difference."""
        names = {self._names[node.endpoint.identity] for node in nodes}
        self.divided = self._on and (len(names) > 1 or bool(self.home and names - {self.home}))
        known, self._zones = self._zones, {}
        # A zone is never taken away from a node: another thread may be picking by the plan before.
        for node in nodes if self.divided else ():
            key = node.priority, self._names[node.endpoint.identity]
            node.zone = self._zones[key] = self._zones.get(key) or known.get(key) or Zone(key[1])

    def refresh(self, nodes: Iterable[Node], now: float) -> None:
        """Take in how calls went."""
        if not self.divided:
            self.refresh_at = inf
        elif self._calibrated_at is None or now >= self.refresh_at:
            if self._calibrated_at is not None:
                calibrate(nodes, now, now - self._calibrated_at)
            self._calibrated_at, self.refresh_at = now, now + CALIBRATE_S

    def divide(self, levels: Iterable[Level], nodes: Iterable[Node]) -> None:
        """From now on calls go to these levels of all `nodes`."""
        self._members = {}
        if self.divided:
            usable = [node for node in nodes if node.endpoint.health is Health.HEALTHY]
            self._absent = HEALTH if any(zone_name(node) == self.home for node in usable) else NO_LOCAL
            for level in levels:
                priority = level.nodes[0].priority
                self._members[priority] = self._by_zone(priority, level.nodes, usable)

    def spread(self) -> Mapping[int, Spread]:
        """How the calls of each level spread over zones, by priority; `picker` goes by it. Empty: zones make no difference."""
        self._spreads = {
            priority: spread(self.home, {name: members.standing() for name, members in zones.items()}, self._absent)
            for priority, zones in self._members.items()
        }
        return self._spreads

    def belongings(self, nodes: Iterable[Node], levels: Iterable[Level]) -> Mapping[Node, Belonging]:
        """For people: which part of the calls belongs to the priority and the zone of each node."""
        levels = tuple(levels)
        whole = sum(level.share for level in levels)
        shares = {level.nodes[0].priority: level.share / whole for level in levels}
        found = {}
        for node in nodes:
            name = self._names[node.endpoint.identity]
            known = self._spreads.get(node.priority)
            zone_share = 1.0 if known is None else known.shares.get(name, 0.0)
            found[node] = Belonging(name, shares.get(node.priority, 0.0), zone_share)
        return found

    def _by_zone(self, priority: int, nodes: Sequence[Node], usable: Iterable[Node]) -> Mapping[str, "_Members"]:
        groups: defaultdict[str, list[Node]] = defaultdict(list)
        for node in nodes:
            groups[zone_name(node)].append(node)
        # A node that connects for the first time makes no zone less healthy, nor does one that is about to leave.
        taking = set(nodes)
        absent: defaultdict[str, list[Node]] = defaultdict(list)
        for node in [node for node in usable if node not in taking]:
            if node.priority == priority and node.connectivity in SETTLED:
                absent[zone_name(node)].append(node)
        return {
            name: _Members(
                groups[name],
                self._weights[priority, name],
                sum(node.endpoint.weight for node in (*groups[name], *absent[name])),
            )
            for name in dict.fromkeys((*groups, *absent))
        }

    def picker(self, nodes: Sequence[Node]) -> Picker:
        """The strategy's picker over nodes of one priority, with zones considered."""
        plan = self._spreads.get(nodes[0].priority)
        if plan is None:
            return self._strategy.picker(nodes)
        if plan.flat:
            return self._anywhere(nodes, plan)
        groups: dict[str, list[Node]] = {}
        for node in nodes:
            groups.setdefault(zone_name(node), []).append(node)
        parts = [part for part in plan.parts if part.zone in groups]
        if len(groups) == 1 or not parts:
            return self._anywhere(nodes, plan)
        pickers = {name: self._strategy.picker(members) for name, members in groups.items()}
        return ZonePicker(
            parts,
            [pickers[part.zone] for part in parts],
            [self._rivals(part, groups) for part in parts],
            self._penalty,
            self.crossings,
            self._rng,
        )

    def _anywhere(self, nodes: Sequence[Node], plan: Spread) -> Picker:
        picker = self._strategy.picker(nodes)
        return AnyZonePicker(picker, plan.why, self.crossings) if self.home else picker

    def _rivals(self, part: Part, groups: Mapping[str, Sequence[Node]]) -> Sequence[Node]:
        """Who may take over what belongs to this part. A probe stays a probe, and who has a quota is not to have more."""
        if part.reason == PROBE:
            return ()
        # What is to leave does not come back because other zones are further away: only they compete for it.
        others = (members for name, members in groups.items() if name not in (part.zone, self.home))
        return [node for members in others for node in members if node.quota is None]


@dataclass(frozen=True, slots=True)
class _Members:
    """The nodes of one zone that take calls of one priority. They stay, while how they do changes all the time."""

    nodes: Sequence[Node]
    weight: int
    listed: float

    def standing(self) -> Standing:
        """How the zone stands now."""
        return Standing(
            self.weight,
            self.listed,
            sum([node.share for node in self.nodes]),
            sum([node.share * node.ramp for node in self.nodes]),
        )
