"""Who is held to the contract of strategies: every one that is registered, and one of somebody else's that is passed as an object.

A strategy that another distribution registers, installed beside this checkout, is among them by itself.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import pytest

from tests.balance import fleet
from trimtab.balance import Balancer, Choice, Node, Picker, Request, Strategy, strategies
from trimtab.model import Endpoint, Policy


class BestOfThree:
    """Somebody else's strategy: of three nodes drawn by weight and success the best, the first drawn of equals."""

    compares_loads = True

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _BestOfThreePicker(nodes, self._rng)


class _BestOfThreePicker:
    def __init__(self, nodes: Sequence[Node], rng: random.Random) -> None:
        self._nodes = nodes
        self._sums = list(accumulate(node.share for node in nodes))
        self._rng = rng

    def pick(self, request: Request) -> Node:
        return self.explain(request).node

    def explain(self, request: Request) -> Choice:
        """The same pick, of up to three."""
        drawn = list(dict.fromkeys(self._rng.choices(self._nodes, cum_weights=self._sums, k=3)))
        return Choice.of(min(drawn, key=lambda node: node.score), drawn, "the best of three draws")


@dataclass(frozen=True, slots=True)
class Entrant:
    """A strategy under test."""

    name: str
    made: Callable[[int], str | Strategy]
    """What `Policy(strategy=…)` takes, by a seed."""

    @property
    def by_weight(self) -> bool:
        """Whether weights count; turns are equal by definition."""
        return self.name != "round_robin"

    @property
    def by_key(self) -> bool:
        """Whether requests have a home: where, the hash says."""
        return self.name == "consistent_hash"

    def policy(self, seed: int = 7, **fields: object) -> Policy:
        """A policy with this strategy."""
        return Policy(strategy=self.made(seed), max_connections=1000, **fields)  # type: ignore[arg-type]

    def balancer(self, endpoints: Sequence[Endpoint], seed: int = 7, **fields: object) -> Balancer:
        """A balancer with this strategy over endpoints that are all connected."""
        made = fleet.balancer(self.policy(seed, **fields), seed)
        fleet.update(made, endpoints)
        return made

    def __str__(self) -> str:
        return self.name


def _registered(name: str) -> Entrant:
    return Entrant(name, lambda seed: name)


ENTRANTS = (
    *map(_registered, sorted(strategies())),
    Entrant("an object", lambda seed: BestOfThree(random.Random(seed))),
)

every_strategy = pytest.mark.parametrize("entrant", ENTRANTS, ids=str)
"""Runs a test for each of them."""
