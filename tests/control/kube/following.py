"""A watch source against a pretended API server, and a catalog that takes in what it tells."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.kube.access import Access, AccessSource
from trimtab.control.kube.state_dir import StateDir
from trimtab.control.kube.watch_source import Scope, WatchSource
from trimtab.control.kube.withdrawal_guard import GuardSettings
from trimtab.control.kubernetes import Object, ObjectKey
from trimtab.control.portions import portions
from trimtab.control.resource_store import ResourceStore
from trimtab.model import Health, ServiceRef

PATIENCE_S = 60.0
PAYMENTS = ServiceRef("payments", "prod", "8080")
NO_GUARD = GuardSettings(share=1.0)


class Follower:
    """Takes in what a source tells, as the control plane does."""

    def __init__(self, source: WatchSource) -> None:
        self.source = source
        self.catalog = Catalog(source.readiness)
        self.store = ResourceStore(self.catalog, Census(), source.progress)
        self.objects: dict[ObjectKey, Object] = {}
        self.withdrawn: set[tuple[str, str]] = set()
        """Service and address of every endpoint that was served and then was not, ever."""
        self._news = asyncio.Event()

    async def follow(self) -> None:
        async with contextlib.aclosing(self.source.watch()) as watching:
            async for news in watching:
                for key in news.deletes:
                    self.objects.pop(key, None)
                self.objects.update({item.key: item for item in news.upserts})
                for upserts, deletes in portions(news.upserts, news.deletes):
                    self._apply(upserts, deletes)
                self._news.set()

    def _apply(self, upserts: Sequence[Object], deletes: Sequence[ObjectKey]) -> None:
        before = {port.ref: set(self.addresses(port.ref)) for port in self.catalog.service_ports()}
        self.store.apply(self.catalog.apply(upserts, deletes))
        for ref, addresses in before.items():
            self.withdrawn |= {(str(ref), address) for address in addresses - set(self.addresses(ref))}

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    # What is waited for may be on the server's side.
                    async with asyncio.timeout(0.02):
                        await self._news.wait()

    def addresses(self, ref: ServiceRef = PAYMENTS, health: Health | None = None) -> list[str]:
        port = self.catalog.get(ref)
        if port is None:
            return []
        return sorted(e.address for _, e in port.assignment.endpoints() if health in (None, e.health))


def access(url: str, token: str = "") -> AccessSource:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return AccessSource(lambda _: Access(url, headers=headers))


@contextlib.asynccontextmanager
async def following(
    url: str,
    scope: Scope | None = None,
    *,
    credentials: AccessSource | None = None,
    guard: GuardSettings = NO_GUARD,
    state: Path | None = None,
    state_max_age_s: float = 3600.0,
    clock: Callable[[], float] = time.monotonic,
    wait: bool = True,
) -> AsyncIterator[Follower]:
    """A source that follows what is at `url`; by default once it is synced."""
    state_dir = None if state is None else StateDir(state, state_max_age_s)
    source = WatchSource(
        "test",
        credentials or access(url),
        scope or Scope(),
        guard=guard,
        state_dir=state_dir,
        clock=clock,
    )
    follower = Follower(source)
    task = asyncio.create_task(follower.follow())
    try:
        if wait:
            await follower.until(lambda: bool(follower.objects) or task.done())
        yield follower
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
