"""Envoy's zone-aware routing with LEAST_REQUEST inside the zone."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate

from ...balance import Node
from ...model import Locality
from ..chooser import Surroundings
from .foreign import pod_of
from .rules import EnvoyLeastRequest

_MIN_CLUSTER_SIZE = 6


class EnvoyZoneAware(EnvoyLeastRequest):
    """Keeps calls in the zone as far as its pods are enough for its clients (Envoy docs: "Zone aware routing").

    Chooses the zone first, by the numbers of pods and of clients per zone, and then the pod in it. Off below six pods,
    and when pods or clients sit in one zone only, as in Envoy.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._zones: Sequence[Sequence[Node]] = ()
        self._bounds: Sequence[float] = ()

    def choose(self) -> Node:
        """The rule."""
        if self._zones:
            drawn = self.surroundings.rng.random() * self._bounds[-1]
            self.nodes = self._zones[bisect_right(self._bounds, drawn)]
        return super().choose()

    def changed(self) -> None:
        """Shares follow the pods that can be reached."""
        by_zone: dict[Locality, list[Node]] = {}
        for node in self.nodes:
            by_zone.setdefault(pod_of(node).locality, []).append(node)
        clients = self.surroundings.clients
        apart = len(by_zone) > 1 and len(clients) > 1 and self.surroundings.locality in by_zone
        if not apart or len(self.nodes) < _MIN_CLUSTER_SIZE:
            self._zones = ()
            return
        shares = zone_shares(self.surroundings.locality, clients, {zone: len(nodes) for zone, nodes in by_zone.items()})
        used = {zone: share for zone, share in shares.items() if share > 0}
        self._zones = [by_zone[zone] for zone in used]
        self._bounds = list(accumulate(used.values()))


def zone_shares(
    here: Locality, clients: Mapping[Locality, int], pods: Mapping[Locality, int]
) -> Mapping[Locality, float]:
    """What share of its calls a client `here` sends to which zone: Envoy's formula."""
    demand = {zone: count / sum(clients.values()) for zone, count in clients.items()}
    supply = {zone: count / sum(pods.values()) for zone, count in pods.items()}
    local = min(1.0, supply[here] / demand[here])
    residual = {zone: max(0.0, share - demand.get(zone, 0.0)) for zone, share in supply.items() if zone != here}
    spare = sum(residual.values())
    elsewhere = {
        zone: (1.0 - local) * (left / spare if spare else 1 / len(residual)) for zone, left in residual.items()
    }
    return {here: local, **elsewhere}
