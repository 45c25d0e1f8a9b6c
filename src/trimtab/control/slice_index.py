"""The EndpointSlices there are: by service, by the Nodes and Pods they name, and by the addresses they list."""

from collections import defaultdict
from collections.abc import Collection, Iterable

import msgspec

from .address_index import AddressIndex
from .kubernetes import EndpointSlice, ObjectKey
from .references import References, ServiceKey

PodKey = tuple[str, str]
"""Namespace and name."""


class SliceIndex:
    """Kept along with the slices, so that a change touches only the services it is about."""

    def __init__(self) -> None:
        # In the order in which slices were applied: where two disagree about an endpoint, the later one is right.
        self._slices: defaultdict[ServiceKey, dict[str, EndpointSlice]] = defaultdict(dict)
        self._owner: dict[ObjectKey, ServiceKey] = {}
        self.addresses = AddressIndex()
        self.on_node: References[str] = References()
        self.in_pod: References[PodKey] = References()

    def of(self, service: ServiceKey) -> Collection[EndpointSlice]:
        """The slices of a service, in the order in which they were applied."""
        return self._slices.get(service, {}).values()

    def put(self, key: ObjectKey, item: EndpointSlice | None) -> set[ServiceKey]:
        """A slice is as it is now, or gone: the services it was and is about. To the end of the order with it."""
        owner = self._owner.pop(key, None)
        before = None
        if owner is not None:
            before = self._slices[owner].pop(key[2])
            self.addresses.remove(before)
            if not self._slices[owner]:
                del self._slices[owner]
        if item is not None:
            item = item if before is None else _with_known(item, before)
            self._owner[key] = item.service
            self._slices[item.service][key[2]] = item
            self.addresses.add(item)
        self._refer(before, item)
        return {part.service for part in (before, item) if part is not None}

    def _refer(self, before: EndpointSlice | None, after: EndpointSlice | None) -> None:
        """Count what a slice names and did not before, and what it names no more: nearly nothing, of a slice that changed."""
        for part, other, step in ((before, after, -1), (after, before, 1)):
            if part is not None:
                # Of another service's slice nothing is the same.
                same = other if other is not None and other.service == part.service else None
                self._count(part, _nodes(part) - _nodes(same), _pods(part) - _pods(same), step)

    def _count(self, part: EndpointSlice, nodes: Iterable[str], pods: Iterable[PodKey], step: int) -> None:
        for node in nodes:
            self.on_node.count(node, part.service, step)
        for pod in pods:
            self.in_pod.count(pod, part.service, step)


def _with_known(item: EndpointSlice, before: EndpointSlice) -> EndpointSlice:
    """The same slice, with the endpoints of the one before where they are equal: what was made of those serves again."""
    known = {endpoint.addresses[0]: endpoint for endpoint in before.endpoints or ()}
    endpoints = [found if (found := known.get(new.addresses[0])) == new else new for new in item.endpoints or ()]
    return msgspec.structs.replace(item, endpoints=endpoints)


def _nodes(part: EndpointSlice | None) -> set[str]:
    endpoints = () if part is None else part.endpoints or ()
    return {endpoint.node_name for endpoint in endpoints if endpoint.node_name}


def _pods(part: EndpointSlice | None) -> set[PodKey]:
    if part is None:
        return set()
    namespace = part.metadata.namespace
    return {
        (namespace, endpoint.target_ref.name) for endpoint in part.endpoints or () if endpoint.target_ref is not None
    }
