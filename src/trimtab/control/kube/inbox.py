"""What feeds delivered and nobody has taken yet: the newest word on each object."""

import asyncio
from collections.abc import Iterable

from ..kubernetes import Object, ObjectKey
from .reflector import News


class Inbox:
    """Many feeds put in, one reader takes out everything at once. A burst costs the reader what its last state costs."""

    def __init__(self) -> None:
        self._waiting: dict[ObjectKey, Object | None] = {}
        self._filled = asyncio.Event()

    def put(self, news: News) -> None:
        """Deliver."""
        for key in news.deletes:
            self._note(key, None)
        for item in news.upserts:
            self._note(item.key, item)
        if self._waiting or news.complete:
            self.wake()

    def wake(self) -> None:
        """Make whoever waits look, even if there is nothing to take."""
        self._filled.set()

    def _note(self, key: ObjectKey, item: Object | None) -> None:
        # To the end of the order: where slices disagree, the newest word counts.
        self._waiting.pop(key, None)
        self._waiting[key] = item

    async def wait(self, timeout_s: float | None) -> None:
        """Return when there is something to take, or when the time is up."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._filled.wait()
        except TimeoutError:
            return

    def take(self) -> News:
        """Everything there is."""
        waiting, self._waiting = self._waiting, {}
        self._filled.clear()
        return News(tuple(_present(waiting.values())), tuple(key for key, item in waiting.items() if item is None))


def _present(items: Iterable[Object | None]) -> Iterable[Object]:
    return (item for item in items if item is not None)
