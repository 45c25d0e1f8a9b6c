"""What a client process is told and what it reports."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from .workload import Load

DEADLINE_S: Final = 10.0
"""Of every call: generous, so that it ends only what is beyond hope."""


@dataclass(frozen=True, slots=True)
class ClientPlan:
    """The part of the load that one client process sends, and through what."""

    contender: str
    seed: int
    clients: int
    """How many there are in all processes together."""
    mine: tuple[int, ...]
    load: Load
    endpoints: tuple[str, ...]
    control_plane: str | None

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "ClientPlan":
        return cls(**{**fields, "load": Load(**fields["load"])})


class Sample(NamedTuple):
    """How one measured request went."""

    at_s: float
    """When it was to be sent, in seconds from the start of the measurement."""
    latency_s: float
    """From that moment until its end, good or bad."""
    code: str
    """gRPC status code."""
    late_s: float
    """How long after the intended moment it was really sent: the generator's own delay."""
