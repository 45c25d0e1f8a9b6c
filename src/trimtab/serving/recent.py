"""What a server was busy with of late."""

import math


class Recent:
    """Rates and the mean number of calls in flight, in which the past fades exponentially. Pure: every moment is a parameter.

    All three fade alike, so their quotients are honest: mean in flight over requests per second is the mean latency
    (Little's law).
    """

    def __init__(self, now: float, memory_s: float) -> None:
        """`memory_s`: after this long, something counts 1/e of what it did."""
        self._memory_s = memory_s
        self._since = self._at = now
        self._requests = self._errors = self._busy = 0.0

    def advance(self, now: float, in_flight: int) -> None:
        """Time has passed, all through which `in_flight` calls were under way."""
        kept = math.exp(-max(0.0, now - self._at) / self._memory_s)
        self._requests *= kept
        self._errors *= kept
        self._busy = self._busy * kept + in_flight * (1 - kept)
        self._at = max(now, self._at)

    def ended(self, *, failed: bool) -> None:
        """A call has ended at the moment last advanced to."""
        self._requests += 1
        self._errors += failed

    @property
    def requests_per_s(self) -> float:
        return self._per_s(self._requests)

    @property
    def errors_per_s(self) -> float:
        return self._per_s(self._errors)

    @property
    def in_flight(self) -> float:
        """Mean number of calls in flight."""
        seen = self._seen
        return self._busy / seen if seen else 0.0

    def _per_s(self, faded: float) -> float:
        seen = self._seen
        return faded / (self._memory_s * seen) if seen else 0.0

    @property
    def _seen(self) -> float:
        """Which part of an endless past there has been: without it every server would seem idle at first."""
        return -math.expm1(-(self._at - self._since) / self._memory_s)
