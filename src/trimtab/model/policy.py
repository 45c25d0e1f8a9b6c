"""How one service is balanced."""

from dataclasses import dataclass

from ..errors import PolicyError


@dataclass(frozen=True, slots=True)
class Policy:
    """Balancing policy of one service. Raises PolicyError for a field out of range."""

    strategy: str = "p2c"
    """Which picker: a name from `trimtab.balance.strategies()`."""
    max_connections: int = 100
    """At most this many endpoints of the service are connected to by one channel; beyond it a stable subset is used."""

    def __post_init__(self) -> None:
        if not self.strategy:
            raise PolicyError("policy.strategy: expected the name of a strategy, got an empty string")
        if self.max_connections < 1:
            raise PolicyError(f"policy.max_connections: expected a number of at least 1, got {self.max_connections}")
