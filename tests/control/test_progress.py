"""Who has to wait for what is not served yet, and for how long."""

import asyncio

import pytest

from trimtab.control import progress as module
from trimtab.control.progress import Progress


class Asked:
    """Counts how often a look was asked for."""

    def __init__(self) -> None:
        self.times = 0
        self.event = asyncio.Event()

    def __call__(self) -> None:
        self.times += 1
        self.event.set()


async def test_without_versions_nobody_waits() -> None:
    await Progress().reach(10**9)
    progress = Progress(Asked())
    progress.advance(None, 0)
    await progress.reach(10**9)


async def test_what_is_served_is_not_waited_for() -> None:
    progress = Progress(Asked())
    progress.advance(100, 90)
    await progress.reach(100)
    assert progress.newest == 90


async def test_what_is_heard_soon_is_waited_for_and_nobody_looks() -> None:
    progress = Progress(asked := Asked())
    waiting = asyncio.ensure_future(progress.reach(100))
    await asyncio.sleep(0)
    progress.advance(99, 99)
    await asyncio.sleep(0)
    assert not waiting.done()
    progress.advance(100, 100)
    await waiting
    assert asked.times == 0
    assert not progress.doubted


async def test_what_is_not_heard_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    progress = Progress(asked := Asked())
    waiting = asyncio.ensure_future(progress.reach(100))
    await asked.event.wait()
    assert progress.doubted
    looked = progress.looking()
    late = asyncio.ensure_future(progress.reach(100))
    asked.event.clear()
    await asked.event.wait()
    # The look that has begun says nothing to who came after it.
    looked()
    await waiting
    assert not late.done()
    progress.advance(100, 100)
    await late


async def test_who_goes_away_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    progress = Progress(asked := Asked())
    waiting = asyncio.ensure_future(progress.reach(100))
    await asked.event.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not progress.doubted
    assert not progress._waiting
