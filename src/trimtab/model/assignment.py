"""All endpoints of one service at one version: the decoded form of a ClusterLoadAssignment."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from .endpoint import Endpoint, Locality


@dataclass(frozen=True, slots=True)
class LocalityEndpoints:
    """The endpoints of one locality at one priority."""

    locality: Locality
    endpoints: tuple[Endpoint, ...]
    weight: int = 1
    """Share of requests relative to the other localities of the same priority, at least 1."""
    priority: int = 0
    """0 is used first; the next one when the ones before cannot take the load."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where the requests of one service may go."""

    cluster: str
    """The name the service was asked for by."""
    localities: tuple[LocalityEndpoints, ...] = ()
    version: str = field(default="", compare=False)
    """Content hash given by the control plane; two equal assignments have equal versions."""
    clock_offset_s: float | None = field(default=None, compare=False)
    """What to add to the control plane's Unix time, as in `Endpoint.ready_since`, to get the time of this process's monotonic
    clock; None: not known."""
    client_zone: str = field(default="", compare=False)
    """The zone of whoever was told this; empty: not known."""
    confirmed_at: float | None = field(default=None, compare=False)
    """When the control plane stood by it last, in seconds since the epoch, if it was kept on disk since; None: it does now."""

    def endpoints(self) -> Iterator[tuple[int, Endpoint]]:
        """Every endpoint with its priority."""
        for group in self.localities:
            for endpoint in group.endpoints:
                yield group.priority, endpoint

    def __len__(self) -> int:
        return sum(len(group.endpoints) for group in self.localities)
