"""What a metrics library must offer to record calls and picks. Adapters are in `trimtab.recorders`."""

from typing import Protocol, runtime_checkable

from .node import Node
from .pick import Outcome, Pick


@runtime_checkable
class Recorder(Protocol):
    """Told about every call of one service, from any thread; must return at once."""

    def picked(self, pick: Pick) -> None:
        """A call was placed."""
        ...

    def ended(self, pick: Pick, outcome: Outcome, duration_s: float) -> None:
        """A call ended."""
        ...

    def idle_pairs(self, count: int) -> None:
        """So many more picks had two candidates that were both idle: load told them nothing."""
        ...

    def crossed(self, reason: str, count: int) -> None:
        """So many more picks left the client's zone for this reason."""
        ...

    def ejected(self, node: Node, reason: str) -> None:
        """A node was ejected as an outlier."""
        ...
