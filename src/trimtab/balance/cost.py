"""What a call weighs, where the policy's load is `cost`."""

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from .request import Request

if TYPE_CHECKING:
    from .pick import Pick

ATTRIBUTE = "cost"


class Cost:
    """A call's cost that is corrected while the call runs: `with trimtab.attributes(cost=Cost(800)) as …`.

    Tokens of a language model are the example: an estimate when the call starts, better known with every token that comes.
    One object belongs to one call at a time.
    """

    __slots__ = ("_amount", "_pick")

    def __init__(self, amount: float) -> None:
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
        """The call was placed."""
        self._pick = weakref.ref(pick)

    def __repr__(self) -> str:
        return f"Cost({self._amount:g})"


def cost_of(request: Request, declared: Callable[[Request], float] | None) -> tuple[float, Cost | None]:
    """What a request weighs, and who wants to correct that later. Raises ValueError for what is no cost."""
    if declared is not None:
        return _checked(declared(request)), None
    value = request.attributes.get(ATTRIBUTE, 1.0)
    if isinstance(value, Cost):
        return value.amount, value
    return _checked(value), None


def _checked(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return float(value)
    raise ValueError(f"cost: expected a number that is not negative, got {value!r}")
