"""When a pod that was told to go may go."""

from dataclasses import dataclass, fields

from ..errors import ServeError
from .given import check_number


@dataclass(frozen=True, slots=True)
class Drain:
    """How long to serve after SIGTERM. Keep the Pod's terminationGracePeriodSeconds above `limit_s + finish_s`.

    The kubelet sends SIGTERM at the moment at which the endpoint controller and everyone behind it begin to learn that
    the Pod leaves. A server that stops at once refuses the calls that were on their way. Raises ServeError for a time that is
    none.
    """

    quiet_s: float = 5.0
    """How long nobody may have called before callers count as moved."""
    limit_s: float = 20.0
    """How long callers may take to move; whoever still calls then has not heard."""
    finish_s: float = 5.0
    """How long the calls that are under way at the end may take, while new ones are refused."""
    repeat_s: float = 1.0
    """For how long another SIGTERM counts as the first, heard twice: GNU timeout and supervisors signal a process and its group.
    Later it means: stop now."""

    def __post_init__(self) -> None:
        for field in fields(self):
            check_number(getattr(self, field.name), f"drain: {field.name}", ServeError)

    def remaining_s(self, now: float, begun_at: float, last_arrival_at: float, in_flight: int) -> float:
        """How much longer to serve if nothing happens; 0: all is done. The moments are on one monotonic clock, in seconds."""
        until_limit_s = begun_at + self.limit_s - now
        if in_flight:
            return max(0.0, until_limit_s)
        quiet_at = max(begun_at, last_arrival_at) + self.quiet_s
        return max(0.0, min(quiet_at - now, until_limit_s))
