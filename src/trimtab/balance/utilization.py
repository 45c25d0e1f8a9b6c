"""A node's weight from its load reports (gRFC A58).

One deviation: in A58 a node has the mean weight until its reports have come for the blackout period. Here a report within that
period counts where it asks for less than the mean. The period guards against giving a node much on thin evidence; giving it little
needs no proof, and a pod that asks for a ramp asks at its very start.
"""

from ..model import LoadReport, WeightedRoundRobin


class Utilization:
    """The newest usable report of one node."""

    __slots__ = ("_taken", "_taken_in", "first_at", "last_at", "weight")

    def __init__(self) -> None:
        self.weight = 0.0
        self.first_at: float | None = None
        """Since when reports have come without a gap."""
        self.last_at = 0.0
        self._taken: float | None = None
        self._taken_in: float | None = None
        """The number of the period in which the weight was last taken over."""

    def reported(self, report: LoadReport, now: float, settings: WeightedRoundRobin) -> None:
        """Take in a report; one that tells no weight says nothing."""
        weight = report.weight(settings.error_utilization_penalty)
        if weight is None:
            return
        if self.first_at is None:
            self.first_at = now
        self.weight, self.last_at = weight, now

    def current(self, now: float, settings: WeightedRoundRobin) -> float | None:
        """The weight as of the last update, unless the reports are too old or have not come for long enough.

        Updates of all nodes fall into the same moment: whoever picks by weight is set up anew for all of them at once.
        """
        period = now // settings.update_s
        if period != self._taken_in:
            self._taken, self._taken_in = self._usable(now, settings), period
        return self._taken

    def _usable(self, now: float, settings: WeightedRoundRobin) -> float | None:
        if self.first_at is None:
            return None
        if now - self.last_at >= settings.expiration_s:
            # What comes after a gap has to prove itself anew (A58).
            self.first_at = None
            return None
        return self.weight if now - self.first_at >= settings.blackout_s else None

    def unproven(self, now: float, settings: WeightedRoundRobin) -> float | None:
        """The weight while reports have not come for long enough."""
        if self.current(now, settings) is not None or self.first_at is None:
            return None
        return self.weight
