"""Coroutines without a task."""

import asyncio
from typing import Any

import pytest

from trimtab.control.eager import Eager


class Endings:
    """What coroutines came to."""

    def __init__(self) -> None:
        self.results: list[Any] = []
        self.errors: list[Exception] = []
        self.eager = Eager[Any](self.results.append, self.errors.append)


@pytest.fixture
def endings() -> Endings:
    return Endings()


async def _waiting(future: "asyncio.Future[str]", steps: list[str]) -> str:
    steps.append("begun")
    try:
        return await future
    finally:
        steps.append("ended")


async def test_a_coroutine_begins_at_once_and_ends_with_what_it_waited_for(endings: Endings) -> None:
    future, steps = asyncio.get_running_loop().create_future(), list[str]()
    endings.eager.run(_waiting(future, steps))
    assert (steps, endings.eager.busy) == (["begun"], True)
    future.set_result("read")
    await asyncio.sleep(0)
    assert (steps, endings.results, endings.eager.busy) == (["begun", "ended"], ["read"], False)


async def test_a_coroutine_may_wait_more_than_once(endings: Endings) -> None:
    loop = asyncio.get_running_loop()
    futures = [loop.create_future(), loop.create_future()]

    async def both() -> list[int]:
        return [await future for future in futures]

    endings.eager.run(both())
    for number, future in enumerate(futures):
        assert endings.results == []
        future.set_result(number)
        await asyncio.sleep(0)
    assert endings.results == [[0, 1]]


async def test_what_a_coroutine_raises_is_told_and_the_next_one_may_run(endings: Endings) -> None:
    broken, whole = (asyncio.get_running_loop().create_future() for _ in range(2))
    endings.eager.run(_waiting(broken, []))
    broken.set_exception(ConnectionError("gone"))
    await asyncio.sleep(0)
    assert [str(error) for error in endings.errors] == ["gone"]
    endings.eager.run(_waiting(whole, []))
    whole.set_result("written")
    await asyncio.sleep(0)
    assert endings.results == ["written"]


async def test_what_is_let_go_runs_to_its_end_and_tells_nobody(endings: Endings) -> None:
    future, steps = asyncio.get_running_loop().create_future(), list[str]()
    endings.eager.run(_waiting(future, steps))
    endings.eager.let_go()
    assert steps == ["begun"]
    future.set_result("bytes")
    await asyncio.sleep(0)
    assert (steps, endings.results, endings.errors) == (["begun", "ended"], [], [])


async def test_what_is_let_go_may_fail_and_nobody_is_told(endings: Endings) -> None:
    future, steps = asyncio.get_running_loop().create_future(), list[str]()
    endings.eager.run(_waiting(future, steps))
    endings.eager.let_go()
    future.set_exception(ConnectionError("gone"))
    await asyncio.sleep(0)
    assert (steps, endings.results, endings.errors) == (["begun", "ended"], [], [])


async def test_a_coroutine_that_waits_for_something_else_than_a_future_has_failed(endings: Endings) -> None:
    endings.eager.run(asyncio.sleep(0))
    assert [type(error) for error in endings.errors] == [AttributeError]
    assert not endings.eager.busy
