"""When garbage is collected while a control plane takes in its first load."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from trimtab.control import garbage


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = gc.get_threshold()
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)
    gc.enable()


async def test_nothing_is_collected_during_the_first_load_and_what_stays_is_not_looked_at_after_it() -> None:
    garbage.pause()
    assert not gc.isenabled()
    garbage.resume()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


async def test_a_first_load_that_never_ends_does_not_stop_collections_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "LONGEST_PAUSE_S", 0.0)
    before = gc.get_threshold()
    garbage.pause()
    assert not gc.isenabled()
    await asyncio.sleep(0.01)
    assert gc.isenabled()
    assert gc.get_threshold() > before
    # What is loaded in the end is set aside all the same.
    assert gc.get_freeze_count() == 0
    garbage.resume()
    assert gc.get_freeze_count() > 0
