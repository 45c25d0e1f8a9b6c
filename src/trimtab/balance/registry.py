"""The strategies there are, by name."""

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

from ..errors import PolicyError
from .p2c import PowerOfTwoChoices
from .picker import Strategy
from .round_robin import RoundRobin
from .uniform import Uniform

StrategyFactory = Callable[[random.Random], Strategy]

_STRATEGIES: Mapping[str, StrategyFactory] = MappingProxyType(
    {"p2c": PowerOfTwoChoices, "round_robin": RoundRobin, "random": Uniform}
)


def strategies() -> Mapping[str, StrategyFactory]:
    """Every strategy by the name that `Policy.strategy` uses."""
    return _STRATEGIES


def strategy(name: str, rng: random.Random) -> Strategy:
    """A fresh strategy. Raises PolicyError for a name nobody registered."""
    try:
        return _STRATEGIES[name](rng)
    except KeyError:
        known = ", ".join(sorted(_STRATEGIES))
        raise PolicyError(f"policy.strategy: there is no strategy {name!r}; known are {known}") from None
