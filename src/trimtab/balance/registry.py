"""The strategies there are, by name: our own, and those that other distributions register as entry points."""

import random
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

from ..errors import PolicyError
from ..model import Policy
from .consistent_hash import ConsistentHash
from .least_request import LeastRequest
from .p2c import PowerOfTwoChoices
from .picker import Strategy
from .round_robin import RoundRobin
from .uniform import Uniform
from .weighted_round_robin import WeightedRoundRobin

ENTRY_POINTS = "trimtab.strategies"
"""The group in which a distribution registers strategies."""

StrategyFactory = Callable[[Policy, random.Random], Strategy]

_OWN: Mapping[str, StrategyFactory] = MappingProxyType(
    {
        "p2c": PowerOfTwoChoices,
        "least_request": LeastRequest,
        "round_robin": RoundRobin,
        "weighted_round_robin": WeightedRoundRobin,
        "random": Uniform,
        "consistent_hash": ConsistentHash,
    }
)


def strategies() -> Mapping[str, StrategyFactory]:
    """Every strategy by the name that `Policy.strategy` uses. One of ours is not replaced by another of its name."""
    return MappingProxyType({**_registered(), **_OWN})


def strategy(policy: Policy, rng: random.Random) -> Strategy:
    """A fresh strategy. Raises PolicyError for a name nobody registered, or an object that is no strategy."""
    wanted: Any = policy.strategy
    if hasattr(wanted, "picker") and not isinstance(wanted, type):
        return wanted  # type: ignore[no-any-return]  # a Strategy, as far as can be told
    if callable(wanted):
        return _made(wanted, policy, rng, "policy.strategy")
    # Asking what is installed takes milliseconds; whoever uses ours need not wait.
    known = _OWN if wanted in _OWN else strategies()
    if wanted not in known:
        raise PolicyError(f"policy.strategy: there is no strategy {wanted!r}; known are {', '.join(sorted(known))}")
    return known[wanted](policy, rng)


@lru_cache(maxsize=1)
def _registered() -> Mapping[str, StrategyFactory]:
    return {entry.name: _loading(entry) for entry in entry_points(group=ENTRY_POINTS)}


def _loading(entry: EntryPoint) -> StrategyFactory:
    """Imports the strategy when it is first wanted: one that is broken hurts only those who use it."""

    def make(policy: Policy, rng: random.Random) -> Strategy:
        where = f"strategy {entry.name!r} ({entry.value})"
        try:
            factory = entry.load()
        except Exception as error:
            raise PolicyError(f"{where}: cannot be imported: {error!r}") from error
        return _made(factory, policy, rng, where)

    return make


def _made(factory: Any, policy: Policy, rng: random.Random, where: str) -> Strategy:
    try:
        made = factory(policy, rng)
    except PolicyError:
        raise
    except Exception as error:
        raise PolicyError(f"{where}: cannot be made from a policy and a random number generator: {error!r}") from error
    if not hasattr(made, "picker"):
        raise PolicyError(f"{where}: expected a strategy, which has a method picker(nodes), got {made!r}")
    return made  # type: ignore[no-any-return]
