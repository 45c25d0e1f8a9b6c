"""One service port as it is served: encoded once per place and subset, and then shared."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache

from ..balance.zone_view import zone_view
from ..model import Assignment, Policy, ServiceRef
from ..xds.assignment import encode_body
from ..xds.cluster import DnsTarget, encode_cluster
from ..xds.dialect import Dialect
from ..xds.resource import Resource
from ..xds.version import assignment_version, content_version
from .catalog import ServicePort
from .last_resort import last_resort
from .node_views import NodeViews
from .passthrough import dns_target, told_policy
from .subsets import Subset, subsets
from .wishes import Place

Shares = Mapping[str, int]
"""Shares of the client zones, as the census publishes them."""


class Published:
    """What passed the gate, and what was made of it so far."""

    def __init__(self, port: ServicePort, assignment: Assignment) -> None:
        self.port = port
        self._assignment = assignment
        # Both are kept for labels that endpoints have: clients may ask for any, and must not fill memory by it.
        self._subsets: dict[str, Mapping[str, Assignment]] = {}
        self._views: dict[Subset | None, dict[Place, Resource]] = {}
        self._clusters: dict[Dialect, Resource] = {}
        self._node_views: dict[Subset | None, NodeViews] = {}

    def assignment(self, subset: Subset | None, place: Place | None, shares: Shares | None) -> Assignment:
        """What clients there are told; a subset of which there is no endpoint is an assignment without any.

        None: what there is for all of them together.
        """
        subset = self._served(subset)
        whole = self._whole(subset)
        if place is None:
            return last_resort(whole)
        return zone_view(last_resort(self.port.wish.view(whole, place)), place.zone, shares)

    def resource(
        self, subset: Subset | None, place: Place, shares: Callable[[ServiceRef, Subset | None], Shares | None]
    ) -> Resource:
        """The same, encoded without its name."""
        subset = self._served(subset)
        known = shares(self.port.ref, subset)
        views = self._views.get(subset, {})
        place = self.port.wish.viewed_from(place, known or ())
        if place.node:
            nodes = self._seen_from_nodes(subset)
            place = nodes.viewed_from(place)
            if (resource := nodes.resource(place, known)) is not None:
                return resource
        if (resource := views.get(place)) is None:
            assignment = self.assignment(subset, place, known)
            resource = Resource(assignment_version(assignment), encode_body(assignment))
            # Zones that see the same share one body.
            resource = next((known for known in views.values() if known == resource), resource)
            if subset is None or len(assignment):
                self._views.setdefault(subset, views)[place] = resource
        return resource

    def cluster(self, subset: Subset | None, dialect: Dialect) -> Resource:
        """How clients of one kind are told to balance it."""
        if subset is not None:
            return self._cluster(subset, dialect)
        if (found := self._clusters.get(dialect)) is None:
            found = self._clusters[dialect] = self._cluster(None, dialect)
        return found

    def _cluster(self, subset: Subset | None, dialect: Dialect) -> Resource:
        return _cluster(told_policy(self.port), dialect, self.port.http2, dns_target(self.port, subset))

    def forget(self, subset: Subset | None) -> None:
        """The shares of the clients of a subset changed."""
        self._views.pop(subset, None)

    def _served(self, subset: Subset | None) -> Subset | None:
        """The subset, or the whole service where the policy says that calls for a shard nobody has may go anywhere."""
        shards = self.port.policy.shards
        if subset is None or shards is None or shards.unmatched != "any" or subset[0] != shards.label:
            return subset
        return subset if subset[1] in self._parts(subset[0]) else None

    def _seen_from_nodes(self, subset: Subset | None) -> NodeViews:
        if (found := self._node_views.get(subset)) is None:
            whole = self._whole(subset)
            found = NodeViews(whole, self.port.wish)
            if subset is None or len(whole):
                self._node_views[subset] = found
        return found

    def _whole(self, subset: Subset | None) -> Assignment:
        return self._assignment if subset is None else self._parts(subset[0]).get(subset[1], self._nothing)

    @property
    def _nothing(self) -> Assignment:
        return replace(self._assignment, localities=())

    def _parts(self, key: str) -> Mapping[str, Assignment]:
        if (parts := self._subsets.get(key)) is None:
            parts = subsets(self._assignment, key)
            if parts:
                self._subsets[key] = parts
        return parts


@lru_cache(maxsize=1024)
def _cluster(policy: Policy, dialect: Dialect, http2: bool, external: DnsTarget | None) -> Resource:
    body = encode_cluster(policy, dialect, http2=http2, target=external)
    # What finds its endpoints here keeps the version it had before there was anything else.
    return Resource(content_version(policy, dialect.value, http2, *((external,) if external else ())), body)
