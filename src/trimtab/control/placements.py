"""What the endpoints that slices list are here: addresses with health, labels and a place. What did not change is not made anew."""

from collections.abc import Callable
from functools import lru_cache

from ..model import Endpoint, Health, Locality
from .kubernetes import REGION_LABEL, ZONE_LABEL, Conditions, Node, SliceEndpoint
from .pods import NOTHING, PodFacts, Pods

Placed = tuple[Endpoint, Locality]
"""An endpoint, and where it runs."""
Place = Callable[[SliceEndpoint, int], Placed]
"""What an endpoint of a slice is, at a port."""
NodeOf = Callable[[str], Node | None]
"""A Node by its name."""
_NO_CONDITIONS = Conditions()


class Placements:
    """The endpoints of one service as they were made last."""

    def __init__(self, namespace: str, node_of: NodeOf, pods: Pods) -> None:
        self._namespace = namespace
        self._node_of = node_of
        self._pods = pods
        self._knows_pods = False
        # By port and by which object it was made from: catalogs keep those that say the same as before.
        self._last: dict[tuple[int, int], tuple[SliceEndpoint, Node | None, PodFacts, Placed]] = {}
        self._made: dict[tuple[int, int], tuple[SliceEndpoint, Node | None, PodFacts, Placed]] = {}

    def begin(self) -> None:
        """Everything is asked for again from here on; what is not is forgotten at the next beginning."""
        self._last, self._made = self._made, {}
        self._knows_pods = len(self._pods) > 0

    def place(self, listed: SliceEndpoint, port: int) -> Placed:
        """What an endpoint is at a port."""
        target = listed.target_ref
        node = self._node_of(listed.node_name) if listed.node_name else None
        pod = NOTHING
        if target is not None and self._knows_pods:
            pod = self._pods.of(self._namespace, target.name, target.uid)
        key = (id(listed), port)
        known = self._last.get(key)
        if known is not None and known[1] is node and known[2] is pod:
            placed = known[3]
        else:
            placed = described(listed, port, pod), located(listed, node)
        self._made[key] = (listed, node, pod, placed)
        return placed


def described(listed: SliceEndpoint, port: int, pod: PodFacts = NOTHING) -> Endpoint:
    """An endpoint of a slice, at a port."""
    target = listed.target_ref
    return Endpoint(
        listed.addresses[0],
        port,
        _health(listed.conditions or _NO_CONDITIONS),
        uid="" if target is None else target.uid,
        hostname="" if target is None else target.name,
        labels=pod.labels,
        ready_since=pod.ready_since,
    )


def _health(conditions: Conditions) -> Health:
    """UNHEALTHY is what will be absent: a Pod that was never ready does not exist for clients (docs/adr/0010)."""
    if conditions.ready is not False:
        return Health.HEALTHY
    if conditions.terminating and conditions.serving is not False:
        return Health.DRAINING
    return Health.UNHEALTHY


def located(listed: SliceEndpoint, node: Node | None) -> Locality:
    """Where an endpoint runs, as far as its slice and its Node say."""
    if node is None:
        return _locality("", listed.zone or "")
    return _locality(node.label(REGION_LABEL), listed.zone or node.label(ZONE_LABEL))


@lru_cache(maxsize=1024)
def _locality(region: str, zone: str) -> Locality:
    return Locality(region, zone)
