"""The most that a new or failing node may get, whatever a strategy would like.

Strategies compare loads, and a node that was just added or fails at once has none. With few calls in flight, where loads are
0 and 1, no division makes 0 a fair share of 1; so the share is also enforced, in picks (docs/adr/0018).
"""

_BURST = 1.5
"""Picks that may be saved up: enough that a turn missed by chance is not lost, too few to stampede."""


class Quota:
    """Picks granted at a rate, relative to all picks of the balancer."""

    __slots__ = ("_granted", "_turn", "rate")

    def __init__(self, turn: int, head_start: float) -> None:
        """`head_start`, from 0 to 1, is how much of the first pick is already granted: random, so that many clients that see the
        same new endpoint do not call it in the same moment."""
        self.rate = 0.0
        self._turn = turn
        self._granted = head_start

    def due_turn(self) -> float:
        """The number of the first pick that the node may have."""
        return self._turn + max(0.0, 1.0 - self._granted) / self.rate if self.rate else float("inf")

    def admits(self, turn: int) -> bool:
        """Whether the node may have the pick with number `turn`; if so it is used up."""
        granted = min(_BURST, self._granted + (turn - self._turn) * self.rate)
        self._turn = turn
        if granted < 1.0:
            self._granted = granted
            return False
        self._granted = granted - 1.0
        return True
