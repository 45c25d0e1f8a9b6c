from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually
from tests.client.worlds import AioWorld, SyncWorld, World
from trimtab.client import discoveries


@pytest.fixture
def ads() -> Iterator[AdsServer]:
    with AdsServer() as server:
        yield server


@pytest.fixture
def backends() -> Iterator[Callable[[int], list[Backend]]]:
    """Starts backends on demand."""
    with ExitStack() as stack:
        yield lambda count: [stack.enter_context(Backend()) for _ in range(count)]


@pytest.fixture(params=[SyncWorld, AioWorld], ids=["sync", "aio"])
def world(request: pytest.FixtureRequest, _nothing_is_left_behind: None) -> Iterator[World]:
    """What is true of one world is true of the other."""
    made: World = request.param()
    yield made
    made.end()


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    """Every test that closes its channels also ends its discoveries."""
    yield
    eventually(lambda: len(discoveries.current()) == 0)
