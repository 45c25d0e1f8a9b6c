"""Numbers that say how a run went, as arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .ledger import Ledger

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Columns:
    """The rows of a ledger that count."""

    started_s: Floats
    latency_s: Floats
    pod: NDArray[np.int32]
    status: NDArray[np.int8]
    client: NDArray[np.int16]

    @classmethod
    def of(cls, ledger: Ledger, from_s: float = 0.0) -> "Columns":
        """Requests sent from `from_s` on, which is when `started_s` begins to count."""
        started_s = np.frombuffer(ledger.started_s) - from_s
        rows = started_s >= 0
        return cls(
            started_s[rows],
            np.frombuffer(ledger.latency_s)[rows],
            np.frombuffer(ledger.pod, dtype=np.int32)[rows],
            np.frombuffer(ledger.status, dtype=np.int8)[rows],
            np.frombuffer(ledger.client, dtype=np.int16)[rows],
        )


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, and how far off it may be."""

    value: float
    half_width: float
    """Of the 95 % confidence interval; NaN where there is nothing to estimate it from."""

    @property
    def relative(self) -> float:
        """Half width as a share of the value."""
        return self.half_width / self.value if self.value else float("nan")


# Student's t, 97.5th percentile, for 1, 2, … degrees of freedom.
_T = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120)
_T_MANY = 2.1


def interval(estimates: Floats) -> Interval:
    """From independent estimates of the same thing, such as one per seed."""
    count = len(estimates)
    mean = float(np.mean(estimates))
    if count < 2:
        return Interval(mean, float("nan"))
    t = _T[count - 2] if count - 2 < len(_T) else _T_MANY
    return Interval(mean, t * float(np.std(estimates, ddof=1)) / count**0.5)
