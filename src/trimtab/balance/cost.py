"""What a call weighs, where the policy's load is `cost`."""

import weakref
from collections.abc import Callable
from math import inf
from numbers import Real
from typing import TYPE_CHECKING

from .request import Request

if TYPE_CHECKING:
    from .pick import Pick

ATTRIBUTE = "cost"


class Cost:
    """What a call weighs, corrected while it runs: `with trimtab.attributes(cost=weight):` around the start of the call, where
    `weight = trimtab.Cost(800)`, and later `weight.amount = 250`.

    Tokens of a language model are the example: an estimate when the call starts, better known with every token that comes. Where
    the policy makes the estimate, by `Policy(cost=…)`, the amount is what it says from the moment the call is placed. One object
    belongs to one call at a time, the last that was placed with it; once that has ended, a correction changes nothing.
    """

    __slots__ = ("_amount", "_pick")

    def __init__(self, amount: float = 1.0) -> None:
        self._amount = _checked(amount)
        self._pick: weakref.ref[Pick] | None = None

    @property
    def amount(self) -> float:
        """What the call weighs, in whatever unit all calls of the service use."""
        return self._amount

    @amount.setter
    def amount(self, amount: float) -> None:
        self._amount = _checked(amount)
        pick = self._pick() if self._pick is not None else None
        if pick is not None:
            pick.cost = self._amount

    def follow(self, pick: "Pick") -> None:
        """The call was placed, with this cost to begin with."""
        self._amount = pick.cost
        self._pick = weakref.ref(pick)

    def __repr__(self) -> str:
        return f"Cost({self._amount:g})"


def cost_of(request: Request, declared: Callable[[Request], object] | None) -> tuple[float, Cost | None]:
    """What a request weighs, and what will correct that while it runs. Raises ValueError for what is no cost."""
    given = request.attributes.get(ATTRIBUTE, 1.0)
    said = given if declared is None else declared(request)
    if isinstance(said, Cost):
        return said.amount, said
    # Whoever estimates and whoever makes the call may be two: the caller has the object, the policy a number for it.
    return _checked(said), given if isinstance(given, Cost) else None


def _checked(value: object) -> float:
    if isinstance(value, int | float | Real) and not isinstance(value, bool):
        amount = float(value)
        if 0 <= amount < inf:
            return amount
    raise ValueError(f"cost: expected a number that is not negative, or a trimtab.Cost, got {value!r}")
