"""What a metrics library must offer to record calls and picks. Adapters are in `trimtab.recorders`."""

import logging
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from .node import Node
from .pick import Outcome, Pick

logger = logging.getLogger(__name__)


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


class Guarded:
    """A recorder whose mistakes fail no call, and leave none in flight. The first one of each kind is logged."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._failed: set[object] = set()

    def picked(self, pick: Pick) -> None:
        self._tell(self._recorder.picked, pick)

    def ended(self, pick: Pick, outcome: Outcome, duration_s: float) -> None:
        self._tell(self._recorder.ended, pick, outcome, duration_s)

    def idle_pairs(self, count: int) -> None:
        self._tell(self._recorder.idle_pairs, count)

    def crossed(self, reason: str, count: int) -> None:
        self._tell(self._recorder.crossed, reason, count)

    def ejected(self, node: Node, reason: str) -> None:
        self._tell(self._recorder.ejected, node, reason)

    def _tell(self, method: Callable[..., None], *news: object) -> None:
        try:
            method(*news)
        except Exception:
            if (name := getattr(method, "__name__", method)) not in self._failed:
                self._failed.add(name)
                logger.exception(
                    "recorder %r: %s failed; it is called again, and not logged again", self._recorder, name
                )


def guarded(recorder: Recorder | None) -> Recorder | None:
    """`recorder` so that its mistakes are nobody else's."""
    return recorder if recorder is None or isinstance(recorder, Guarded) else Guarded(recorder)
