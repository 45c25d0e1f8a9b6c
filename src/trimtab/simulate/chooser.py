"""The seam between the engine and whoever chooses pods."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..balance import Pick, Request
from ..model import Assignment, Endpoint, Locality, Seat
from .pod import Pod
from .timeline import Timeline

Identity = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What one client finds where it runs."""

    client_id: str
    locality: Locality
    timeline: Timeline
    rng: random.Random
    """The client's own random numbers: what it draws changes nothing for others."""
    clients: Mapping[Locality, int]
    """How many clients sit where: what Envoy's zone-aware routing has to know."""
    pods: Mapping[Identity, Pod]
    """Every pod there is or was. For connecting to; looking at their queues is omniscience."""

    seat: Seat | None = None
    """Which of all clients this one is, as the control plane tells clients of ours."""

    def pod(self, endpoint: Endpoint) -> Pod:
        """Whoever listens at the address of `endpoint`."""
        return self.pods[endpoint.identity]


class Chooser(Protocol):
    """Chooses pods for the requests of one client. The chosen node's `transport` is its Pod."""

    def pick(self, request: Request) -> Pick | None:
        """A pod for this request, None if there is none."""
        ...

    def update(self, assignment: Assignment) -> None:
        """The control plane's latest word arrived."""
        ...

    def pod_changed(self, pod: Pod) -> None:
        """The pod went down or came back; connections notice."""
        ...


Contender = Callable[[Surroundings], Chooser]
"""Equips one client."""
