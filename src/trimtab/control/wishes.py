"""Where a Service's own fields want its calls to go: `trafficDistribution` and `internalTrafficPolicy` (core/v1).

kube-proxy narrows down to what is near and knows nothing else then; here what is near comes first, as a priority of its own, and
the rest after it: every kind of client honours priorities, and none is left without endpoints when those nearby refuse calls.
Which endpoints are near is what kube-proxy goes by: the hints of their slices, or where they run if there are none.
"""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import count

from ..model import Assignment, Endpoint, Health, LocalityEndpoints, Policy
from .kubernetes import ServiceSpec, SliceEndpoint

_SAME_ZONE = frozenset({"PreferClose", "PreferSameZone"})
"""PreferClose is the former name of PreferSameZone (KEP-3015)."""
_SAME_NODE = "PreferSameNode"
Identity = tuple[str, int, str]
Test = Callable[[Endpoint], bool]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client runs, as far as is known; empty: it is not."""

    zone: str = ""
    node: str = ""


# Asked on every push.
place_of = lru_cache(maxsize=1024)(Place)


@dataclass(frozen=True, slots=True)
class Near:
    """For whom an endpoint is near: names of zones and of Nodes."""

    zones: frozenset[str]
    nodes: frozenset[str]
    on: str = ""
    """The Node it runs on, whatever hints say; empty: nobody says."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a Service asks for, and for whom its endpoints are near. The default asks for nothing."""

    same_zone: bool = False
    same_node: bool = False
    node_only: bool = False
    """No call leaves the Node, whatever happens."""
    near: Mapping[Identity, Near] = field(default_factory=dict)
    zones: frozenset[str] = frozenset()
    """Every zone for whose clients some endpoint is near."""
    nodes: frozenset[str] = frozenset()
    """Every Node for whose clients some endpoint is near."""

    def __bool__(self) -> bool:
        return self.same_zone or self.same_node or self.node_only

    @classmethod
    def of(cls, spec: ServiceSpec, policy: Policy) -> "Wish":
        """The wish that the fields of a Service express; whom its endpoints are near is not known yet.

        A policy by which zones are no matter goes before what the Service prefers: it was written for this.
        """
        distribution = "" if policy.zone == "off" else spec.traffic_distribution
        return cls(
            # What prefers its Node prefers its zone to the rest of the world.
            same_zone=distribution in _SAME_ZONE or distribution == _SAME_NODE,
            same_node=distribution == _SAME_NODE,
            node_only=spec.internal_traffic_policy == "Local",
        )

    def knowing(self, places: Mapping[Identity, Near]) -> "Wish":
        """The same wish, of a Service whose endpoints are near for these."""
        zones = frozenset[str]().union(*(found.zones for found in places.values()))
        nodes = frozenset(found.on for found in places.values()).union(*(found.nodes for found in places.values()))
        return replace(self, near=places, zones=zones, nodes=nodes)

    def viewed_from(self, place: Place, counted: Container[str]) -> Place:
        """As much of a place as makes a difference: clients for whom nothing is near share what they see.

        `counted` are the zones whose clients have weights of their own. Clients may call their zone anything.
        """
        zone = place.zone if place.zone in counted or (self.same_zone and place.zone in self.zones) else ""
        node = place.node if (self.same_node or self.node_only) and place.node in self.nodes else ""
        return place_of(zone, node)

    def view(self, assignment: Assignment, place: Place) -> Assignment:
        """The assignment with what is near first; without change for a client of which nobody knows where it is."""
        if self.node_only:
            return _kept(assignment, lambda endpoint: bool(place.node) and place.node == self.nearness(endpoint).on)
        tests: list[Test] = []
        if self.same_node and place.node:
            tests.append(lambda endpoint: place.node in self.nearness(endpoint).nodes)
        if self.same_zone and place.zone:
            tests.append(lambda endpoint: place.zone in self.nearness(endpoint).zones)
        return _ranked(assignment, tests) if tests else assignment

    def nodes_of(self, endpoint: Endpoint) -> Iterable[str]:
        """The Nodes for whose clients an endpoint comes before others."""
        near = self.nearness(endpoint)
        return filter(None, (near.on,) if self.node_only else near.nodes)

    def nearness(self, endpoint: Endpoint) -> Near:
        """For whom an endpoint is near."""
        return self.near.get(endpoint.identity, _NEAR_NOBODY)


NO_WISH = Wish()
_NEAR_NOBODY = Near(frozenset(), frozenset())


def near(endpoint: SliceEndpoint, zone: str) -> Near:
    """For whom an endpoint that runs in `zone` is near, by its hints or by where it is."""
    hints = endpoint.hints
    zones = [hint.name for hint in (hints.for_zones or ())] if hints else []
    nodes = [hint.name for hint in (hints.for_nodes or ())] if hints else []
    on = endpoint.node_name or ""
    return Near(frozenset(zones or [zone]), frozenset(nodes or [on]), on)


def _kept(assignment: Assignment, test: Test) -> Assignment:
    # What comes after the service itself, its policy asked for in so many words.
    groups = [group if group.priority else part_of(group, test) for group in assignment.localities]
    return replace(assignment, localities=_dense(groups))


def _ranked(assignment: Assignment, tests: Iterable[Test]) -> Assignment:
    """What passes a test comes before what does not, if any of it is healthy; the levels that follow move down."""
    rest = [group for group in assignment.localities if group.priority == 0]
    later = [group for group in assignment.localities if group.priority > 0]
    levels: list[list[LocalityEndpoints]] = []
    for test in tests:
        chosen = [part_of(group, test) for group in rest]
        if any(endpoint.health is Health.HEALTHY for group in chosen for endpoint in group.endpoints):
            levels.append(chosen)
            rest = [part_of(group, _other_than(test)) for group in rest]
    levels.append(rest)
    ranked = [replace(group, priority=rank) for rank, level in enumerate(levels) for group in level]
    moved = [replace(group, priority=group.priority + len(levels) - 1) for group in later]
    return replace(assignment, localities=_dense([*ranked, *moved]))


def _other_than(test: Test) -> Test:
    return lambda endpoint: not test(endpoint)


def part_of(group: LocalityEndpoints, test: Test) -> LocalityEndpoints:
    """The endpoints of a locality that pass; it weighs as many as are healthy, and what is whole stays as it is."""
    endpoints = tuple(filter(test, group.endpoints))
    if len(endpoints) == len(group.endpoints):
        return group
    healthy = sum(endpoint.health is Health.HEALTHY for endpoint in endpoints)
    return replace(group, endpoints=endpoints, weight=max(1, healthy))


def _dense(groups: Iterable[LocalityEndpoints]) -> tuple[LocalityEndpoints, ...]:
    """Without empty localities, and so without gaps in the priorities, which gRPC refuses."""
    present = [group for group in groups if group.endpoints]
    ranks = dict(zip(sorted({group.priority for group in present}), count(), strict=False))
    return tuple(replace(group, priority=ranks[group.priority]) for group in present)
