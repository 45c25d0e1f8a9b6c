"""What clients are told on Nodes that endpoints are near to: made from parts that are encoded once for all of them.

A service with an endpoint on every Node looks different from each. But only what comes first is a Node's own; what follows is what
all clients of the zone see, less that. So a view costs what is near to the Node, and a copy of bytes.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from ..balance.zone_view import zone_view
from ..model import Assignment, Endpoint, Health, LocalityEndpoints
from ..xds.assignment import encode_body, encode_endpoints, encode_locality
from ..xds.resource import Resource
from ..xds.version import assignment_version, content_version, endpoints_version
from .wishes import Identity, Place, Wish, part_of, place_of

_Pieces = Sequence[bytes | memoryview]
_Own = Mapping[int, Sequence[Endpoint]]
"""Endpoints by the index of their locality."""
_HEALTHY = Health.HEALTHY


class _Part:
    """Some endpoints of a locality, encoded one after the other, to be copied with or without a few of them."""

    def __init__(self, index: int, whole: LocalityEndpoints, part: LocalityEndpoints) -> None:
        """Of `whole`, the locality at `index`, those in `part`."""
        self.index = index
        self.whole = whole
        self.healthy = _healthy(part.endpoints)
        self.size = len(part.endpoints)
        self._positions: Mapping[Identity, int] = {one.identity: n for n, one in enumerate(part.endpoints)}
        encoded = list(encode_endpoints(part.endpoints))
        self._bounds = [0, *accumulate(map(len, encoded))]
        self._body = memoryview(b"".join(encoded))
        self.version = endpoints_version(part.endpoints)

    def among(self, own: _Own) -> Sequence[Endpoint]:
        """Those that are in this part."""
        return [one for one in own.get(self.index, ()) if one.identity in self._positions]

    def without(self, dropped: Sequence[Endpoint]) -> _Pieces:
        """The bytes of all endpoints but these."""
        pieces, start = [], 0
        for position in sorted(self._positions[one.identity] for one in dropped):
            pieces.append(self._body[start : self._bounds[position]])
            start = self._bounds[position + 1]
        return [*pieces, self._body[start:]]


@dataclass(frozen=True, slots=True)
class _Level:
    """What comes at one priority, from all localities."""

    parts: Sequence[_Part]

    def healthy_without(self, own: _Own) -> int:
        return sum(part.healthy - _healthy(part.among(own)) for part in self.parts)


class NodeViews:
    """One assignment, seen from the Nodes that some of its endpoints are near to. Agrees with `Wish.view`."""

    def __init__(self, assignment: Assignment, wish: Wish) -> None:
        self._assignment = assignment
        self._wish = wish
        self._first = [(index, group) for index, group in enumerate(assignment.localities) if not group.priority]
        self._own: dict[str, defaultdict[int, list[Endpoint]]] = {}
        for index, group in self._first:
            for one in group.endpoints:
                for node in wish.nodes_of(one):
                    self._own.setdefault(node, defaultdict(list))[index].append(one)
        self._levels: dict[str, Sequence[_Level]] = {}
        self._wholes: dict[int, _Part] = {}
        later = sorted({group.priority for group in assignment.localities} - {0})
        self._later = [
            [(index, group) for index, group in enumerate(assignment.localities) if group.priority == priority]
            for priority in later
        ]

    def viewed_from(self, place: Place) -> Place:
        """The place, without the Node where that makes no difference."""
        own = self._own.get(place.node)
        # With none that can take calls nothing comes first; but what may not leave the Node is what is there, whatever it can.
        alike = own is None or not (self._wish.node_only or _any_healthy(own))
        return place_of(place.zone, "") if alike else place

    def resource(self, place: Place, shares: Mapping[str, int] | None) -> Resource | None:
        """What clients there are told; None: that is for `Wish.view` to say."""
        own = self._own.get(place.node)
        if own is None or not _any_healthy(own):
            return None
        first = self._assignment.localities
        chosen = [self._chosen(first[index], endpoints) for index, endpoints in own.items()]
        head = zone_view(replace(self._assignment, localities=tuple(chosen)), place.zone, shares)
        tail = list(self._tail(place.zone, own))
        body: list[bytes | memoryview] = [encode_body(head)]
        said = []
        for priority, part, dropped in tail:
            healthy = part.healthy - _healthy(dropped)
            untouched = part.size - len(dropped) == len(part.whole.endpoints)
            weight = part.whole.weight if untouched else max(1, healthy)
            locality = part.whole.locality
            body.extend(encode_locality(locality, weight, priority, part.without(dropped)))
            # Which are dropped is said by what is in the head.
            said.append((priority, str(locality), weight, part.version))
        return Resource(content_version(assignment_version(head), sorted(said)), b"".join(body))

    def _chosen(self, group: LocalityEndpoints, endpoints: Sequence[Endpoint]) -> LocalityEndpoints:
        if len(endpoints) == len(group.endpoints):
            return group
        return replace(group, endpoints=tuple(endpoints), weight=max(1, _healthy(endpoints)))

    def _tail(self, zone: str, own: _Own) -> Iterator[tuple[int, _Part, Sequence[Endpoint]]]:
        """What comes after what is on the Node: its priority, and what of it is on the Node, and so not to be said again."""
        priority = 1
        for level in [*self._rest(zone, own), *self._following()]:
            dropped = [(part, part.among(own)) for part in level.parts]
            left = [(part, gone) for part, gone in dropped if len(gone) < part.size]
            for part, gone in left:
                yield priority, part, gone
            priority += bool(left)

    def _rest(self, zone: str, own: _Own) -> Sequence[_Level]:
        if self._wish.node_only:
            return ()
        if self._wish.same_zone and zone:
            levels = self._split(zone)
            if levels[0].healthy_without(own):
                return levels
        return self._split("")

    def _split(self, zone: str) -> Sequence[_Level]:
        """Of what comes first, that which is near to a zone, and the rest; all of it if there is no zone."""
        if (levels := self._levels.get(zone)) is None:
            levels = [self._level(lambda _: True)]
            if zone:
                near = self._wish.nearness
                levels = [
                    self._level(lambda one: zone in near(one).zones),
                    self._level(lambda one: zone not in near(one).zones),
                ]
            self._levels[zone] = levels
        return levels

    def _level(self, test: Callable[[Endpoint], bool]) -> _Level:
        return _Level([self._part(index, group, part_of(group, test)) for index, group in self._first])

    def _following(self) -> Iterator[_Level]:
        for groups in self._later:
            yield _Level([self._part(index, group, group) for index, group in groups])

    def _part(self, index: int, whole: LocalityEndpoints, part: LocalityEndpoints) -> _Part:
        if part is not whole:
            return _Part(index, whole, part)
        # Most zones have or lack a locality whole, and share it.
        if index not in self._wholes:
            self._wholes[index] = _Part(index, whole, whole)
        return self._wholes[index]


def _healthy(endpoints: Sequence[Endpoint]) -> int:
    return sum(one.health is _HEALTHY for one in endpoints)


def _any_healthy(own: _Own) -> bool:
    return any(_healthy(endpoints) for endpoints in own.values())
