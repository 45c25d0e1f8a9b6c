"""What the control plane needs of whatever tells it the truth."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import Protocol

from .kubernetes import Object, ObjectKey
from .progress import Progress
from .readiness import Readiness

Metric = tuple[str, str, Callable[[], float]]
"""Name, help text and how to read it. It is a counter if its name ends with `_total`, else a gauge."""


class News(Protocol):
    """Objects that are new or changed, and keys of those that are gone."""

    @property
    def upserts(self) -> Sequence[Object]: ...

    @property
    def deletes(self) -> Sequence[ObjectKey]: ...


class Source(Protocol):
    """Follows the truth."""

    @property
    def where(self) -> Mapping[str, str]:
        """Where the truth is, for the log."""

    @property
    def waiting_for(self) -> str:
        """What keeps the first load from being complete."""

    @property
    def readiness(self) -> Readiness:
        """Since when endpoints are ready, as far as anybody remembers."""

    @property
    def progress(self) -> Progress:
        """How much of what happened is served."""

    @property
    def problems(self) -> Iterable[object]:
        """What is wrong with the truth as it comes; what is served stays meanwhile."""

    def watch(self) -> AsyncGenerator[News, None]:
        """Everything first, then every change."""

    def report(self, problems: Mapping[tuple[str, str], str]) -> None:
        """What is wrong with the policies of services, by namespace and name: tell their people, where there is a way to."""

    def metrics(self) -> Iterable[Metric]:
        """What operators can see of it."""
