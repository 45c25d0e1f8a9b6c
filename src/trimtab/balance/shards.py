"""A service divided by a Pod label: each shard is balanced as a service of its own.

A shard gets its balancer, and its connections, when a request first asks for it. Up to `max_connections` endpoints have theirs
ahead of need, so small services wait for nothing, and a client of one shard in thousands does not connect to all of them.
"""

import random
from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, chain
from typing import TYPE_CHECKING

from ..model import Assignment, Endpoint, Health, LocalityEndpoints, Policy
from ..model import Shards as Settings
from .changes import Changes
from .node import Connectivity, Node
from .pick import Pick
from .request import Request
from .subset import rank

if TYPE_CHECKING:
    from .balancer import Balancer

_LISTED = 10
"""How many of the shards there are an error names."""
_NOBODY: Sequence[Node] = ()

Make = Callable[[Policy, Callable[[], object]], "Balancer"]
"""A balancer for one shard, from its policy and what to call when it is time to refresh."""


class Shards:
    """The balancers of a service's shards. Threads as for `Balancer`: everything but `pick` and `unmatched` in one at a time."""

    def __init__(
        self, policy: Policy, client_id: str, rng: random.Random, make: Make, wake: Callable[[], object]
    ) -> None:
        settings = policy.shards
        assert settings is not None
        self._settings = settings
        self._shard_of = _shard_of(settings)
        self._any = settings.unmatched == "any"
        self._policy = replace(policy, shards=None)
        self._client_id = client_id
        self._rng = rng
        self._make = make
        self._wake = wake
        self._assignments: Mapping[str | None, Assignment] = {}
        """What each shard has; under None what has no such label."""
        self._balancers: dict[str | None, Balancer] = {}
        self._wanted: set[str] = set()
        """Shards that requests ask for and that have no balancer yet."""
        self._due: set[str | None] = set()
        """Shards whose time has come to refresh."""
        self._news: list[Changes] = []
        """What the last policy asks of connections, for the update that follows it."""
        self._drawn: tuple[Sequence[Balancer], Sequence[int]] = ((), ())
        """Balancers and the sums of their endpoints, for requests that may go anywhere."""

    # The fast path.

    def pick(self, request: Request) -> Pick | None:
        """A node of the request's shard; None as for `Balancer.pick`, and also where there is no such shard."""
        shard = self._shard_of(request)
        if shard is not None:
            balancer = self._balancers.get(shard)
            if balancer is not None:
                return balancer.pick(request)
            if shard in self._assignments:
                # Made in the slow path, once. Where that is this thread it is there now.
                self._wanted.add(shard)
                self._wake()
                balancer = self._balancers.get(shard)
                return None if balancer is None else balancer.pick(request)
            if not self._any:
                return None
        return self._anywhere(request)

    def _anywhere(self, request: Request) -> Pick | None:
        balancers, sums = self._drawn
        if not balancers:
            return None
        first = bisect(sums, self._rng.random() * sums[-1], 0, len(sums) - 1)
        # Endpoints count alike; one that cannot be used has the next shard in its place.
        picks = (balancers[first - offset].pick(request) for offset in range(len(balancers)))
        return next((pick for pick in picks if pick is not None), None)

    def unmatched(self, request: Request) -> str | None:
        """Why this request can go nowhere as the service is; None: there are endpoints for it."""
        shard = self._shard_of(request)
        if shard is None or self._any or shard in self._assignments:
            return None
        label = self._settings.label
        there_are = sorted(value for value in self._assignments if value is not None)
        if not there_are:
            return f"no endpoint has the label {label}={shard}; none has a label {label} at all"
        more = f" and {len(there_are) - _LISTED} more" if len(there_are) > _LISTED else ""
        return f"no endpoint has the label {label}={shard}; there are {label}={', '.join(there_are[:_LISTED])}{more}"

    # The slow path.

    @property
    def balancers(self) -> Iterable["Balancer"]:
        """Those of the shards that are in use."""
        return self._balancers.values()

    @property
    def nodes(self) -> Sequence[Node]:
        """The nodes of all of them."""
        return tuple(chain.from_iterable(balancer.nodes for balancer in self.balancers))

    def adopt(self, policy: Policy) -> None:
        """Balance every shard by another policy, which divides the service as before."""
        self._policy = replace(policy, shards=None)
        self._news += [balancer.adopt(self._policy) for balancer in self.balancers]

    def update(self, assignment: Assignment) -> Changes:
        """Take over a new assignment: every shard in use gets its part of it."""
        self._assignments = by_label(assignment, self._settings.label)
        changes, self._news = self._news, []
        gone = [shard for shard in self._balancers if shard not in self._assignments]
        changes += [self._balancers.pop(shard).update(replace(assignment, localities=())) for shard in gone]
        changes += (balancer.update(self._assignments[shard]) for shard, balancer in self._balancers.items())
        changes += map(self._begin, self._ahead())
        self._draw()
        return Changes.joined(changes)

    def refresh(self) -> Changes:
        """Make the balancers that are wanted, and refresh those that are due."""
        wanted, self._wanted = self._wanted, set()
        due, self._due = self._due, set()
        changes = [self._begin(shard) for shard in sorted(wanted) if shard in self._assignments]
        if changes:
            self._draw()
        changes += (self._balancers[shard].refresh() for shard in due if shard in self._balancers)
        return Changes.joined(changes)

    def connectivities_changed(self, states: Mapping[Node, Connectivity]) -> None:
        """Connections changed their states."""
        by_shard: defaultdict[str | None, dict[Node, Connectivity]] = defaultdict(dict)
        for node, state in states.items():
            by_shard[node.endpoint.label(self._settings.label)][node] = node.connectivity = state
        for shard, of_shard in by_shard.items():
            if shard in self._balancers:
                self._balancers[shard].connectivities_changed(of_shard)

    def _ahead(self) -> Sequence[str | None]:
        """The shards to connect to before anybody asks: as many as fit, the same for the same client every time."""
        if self._settings.value is not None:
            return [self._settings.value] if self._settings.value in self._assignments else []
        room = self._policy.max_connections - len(self.nodes)
        if room <= 0:
            return []
        chosen: list[str | None] = []
        missing = [shard for shard in self._assignments if shard not in self._balancers]
        for shard in sorted(missing, key=lambda shard: rank(shard or "", self._client_id)):
            room -= len(self._assignments[shard])
            if room < 0 and (chosen or self._balancers):
                break
            chosen.append(shard)
        return chosen

    def _begin(self, shard: str | None) -> Changes:
        if shard in self._balancers:
            return Changes((), ())
        balancer = self._make(self._policy, lambda: self._is_due(shard))
        changes = balancer.update(self._assignments[shard])
        self._balancers[shard] = balancer
        return changes

    def _is_due(self, shard: str | None) -> None:
        self._due.add(shard)
        self._wake()

    def _draw(self) -> None:
        balancers = [balancer for balancer in self._balancers.values() if balancer.nodes]
        self._drawn = balancers, list(accumulate(len(balancer.nodes) for balancer in balancers))


def by_label(assignment: Assignment, label: str) -> Mapping[str | None, Assignment]:
    """The usable endpoints by the value of a label, in one pass; under None those that do not have it."""
    groups: defaultdict[str | None, list[LocalityEndpoints]] = defaultdict(list)
    for group in assignment.localities:
        parts: defaultdict[str | None, list[Endpoint]] = defaultdict(list)
        for endpoint in group.endpoints:
            parts[endpoint.label(label)].append(endpoint)
        for value, endpoints in parts.items():
            groups[value].append(replace(group, endpoints=tuple(endpoints)))
    return {value: replace(assignment, localities=tuple(found)) for value, found in groups.items() if _usable(found)}


def _usable(groups: Iterable[LocalityEndpoints]) -> bool:
    return any(endpoint.health is not Health.UNHEALTHY for group in groups for endpoint in group.endpoints)


def _shard_of(settings: Settings) -> Callable[[Request], str | None]:
    if settings.value is not None:
        fixed = settings.value
        return lambda request: fixed
    key = settings.key
    if key is not None:
        return lambda request: _text(key(request))
    name, attribute = settings.metadata.lower(), settings.attribute

    def by_name(request: Request) -> str | None:
        if name:
            for key, value in request.metadata:
                if key == name:
                    return _text(value)
        return _text(request.attributes.get(attribute))

    return by_name


def _text(shard: object) -> str | None:
    """Labels are strings; who numbers shards need not care."""
    if shard is None or isinstance(shard, str):
        return shard
    return shard.decode(errors="replace") if isinstance(shard, bytes) else str(shard)
