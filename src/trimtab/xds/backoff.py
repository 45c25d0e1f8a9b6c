"""How long to wait before the next attempt to reach a peer."""

import random

INITIAL_S = 0.2
FACTOR = 1.6
MAX_S = 15.0


class Backoff:
    """Exponential backoff with jitter; factor as in gRPC's connection backoff, delays shorter at both ends.

    Every delay, the first one too, is drawn from the upper half of its bound: clients that lost one control plane at the
    same moment do not come back to it at the same moment.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._bound_s = INITIAL_S

    def next_s(self) -> float:
        """Seconds to wait before the next attempt."""
        delay_s = self._bound_s * self._rng.uniform(0.5, 1.0)
        self._bound_s = min(self._bound_s * FACTOR, MAX_S)
        return delay_s

    def reset(self) -> None:
        """The peer answered: the next wait is a short one again."""
        self._bound_s = INITIAL_S
