"""What became of every request, in columns."""

from array import array
from collections.abc import Sequence

from ..model import Locality
from .pod import Pod

NOBODY = -1
"""Pod index of a request that was sent nowhere."""


class Ledger:
    """One row per request that ended, in order of its end."""

    def __init__(self, statuses: Sequence[str], localities: Sequence[Locality]) -> None:
        self.statuses = tuple(statuses)
        self.localities = tuple(localities)
        self.started_s = array("d")
        self.latency_s = array("d")
        self.pod = array("i")
        """Index of the pod, or NOBODY."""
        self.status = array("b")
        """Index into `statuses`."""
        self.client = array("h")
        """Index into `localities`: where the client sits."""
        self._status_index = {status: index for index, status in enumerate(self.statuses)}
        self._locality_index = {locality: index for index, locality in enumerate(self.localities)}

    def write(self, started_s: float, latency_s: float, pod: Pod | None, client: Locality, status: str) -> None:
        """A request ended."""
        self.started_s.append(started_s)
        self.latency_s.append(latency_s)
        self.pod.append(NOBODY if pod is None else pod.index)
        self.status.append(self._status_index[status])
        self.client.append(self._locality_index[client])

    def __len__(self) -> int:
        return len(self.started_s)
