"""The control plane of the simulation: who is there, and when clients hear of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..balance.zone_view import zone_view
from ..balance.zone_weights import quantised
from ..model import Assignment, Health, Locality, LocalityEndpoints
from .client import Client
from .pod import Pod
from .timeline import Timeline

CLUSTER = "simulated.default:8080"


class Directory:
    """Tells every client of a change after the propagation delay, or when an outage of the control plane is over.

    Clients of a zone are told the weights that the control plane would tell them, whose census knows them all.
    """

    def __init__(self, timeline: Timeline, propagation_delay_s: float) -> None:
        self._timeline = timeline
        self._delay_s = propagation_delay_s
        self._pods: dict[int, tuple[Pod, Health]] = {}
        self._ready_since_s: dict[int, float] = {}
        self._clients: Sequence[Client] = ()
        self._census: Mapping[str, int] = {}
        self._version = 0
        self._out = False
        self._missed = False

    def open(self, clients: Sequence[Client]) -> None:
        """Tell `clients` who is there now, without delay; from here on they hear of changes."""
        self._clients = clients
        self._census = _census(clients)
        self._deliver(self._assignment())

    def ready(self, pod: Pod) -> None:
        """The pod takes requests, since now unless it was there before anybody asked."""
        if self._clients:
            self._ready_since_s[pod.index] = self._timeline.now
        self._change(pod, Health.HEALTHY)

    def draining(self, pod: Pod) -> None:
        """The pod is being deleted, and still serves."""
        if pod.index in self._pods:
            self._change(pod, Health.DRAINING)

    def gone(self, pod: Pod) -> None:
        """The pod is not there, or not ready."""
        if self._pods.pop(pod.index, None):
            self._announce()

    def outage(self, begins: bool) -> None:
        """The control plane goes away or comes back."""
        self._out = begins
        if not begins and self._missed:
            self._missed = False
            self._announce()

    def _change(self, pod: Pod, health: Health) -> None:
        self._pods[pod.index] = (pod, health)
        self._announce()

    def _announce(self) -> None:
        if not self._clients:
            return
        if self._out:
            self._missed = True
            return
        self._timeline.at(self._timeline.now + self._delay_s, self._deliver, self._assignment())

    def _deliver(self, assignment: Assignment) -> None:
        zones = {client.locality.zone for client in self._clients}
        views = {zone: replace(zone_view(assignment, zone, self._census), client_zone=zone) for zone in zones}
        for client in self._clients:
            client.update(views[client.locality.zone])

    def _assignment(self) -> Assignment:
        groups: dict[Locality, list[Pod]] = {}
        for pod, _ in self._pods.values():
            groups.setdefault(pod.locality, []).append(pod)
        self._version += 1
        return Assignment(
            CLUSTER,
            tuple(self._locality(locality, pods) for locality, pods in groups.items()),
            version=str(self._version),
            # One timeline for all: the control plane's clock and the clients' are the same.
            clock_offset_s=0.0,
        )

    def _locality(self, locality: Locality, pods: Sequence[Pod]) -> LocalityEndpoints:
        endpoints = tuple(
            replace(pod.endpoint, health=self._pods[pod.index][1], ready_since=self._ready_since_s.get(pod.index))
            for pod in pods
        )
        # Capacity: what everybody is told while it is not known where the clients sit.
        return LocalityEndpoints(locality, endpoints, weight=sum(endpoint.weight for endpoint in endpoints))


def _census(clients: Sequence[Client]) -> Mapping[str, int]:
    counts = Counter(client.locality.zone for client in clients if client.locality.zone)
    return quantised(counts) if counts else {}
