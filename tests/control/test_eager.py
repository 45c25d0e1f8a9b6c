"""Coroutines without a task."""

import asyncio

import pytest

from trimtab.control.eager import Eager


@pytest.fixture
async def eager() -> Eager:
    return Eager()


async def _waiting(future: "asyncio.Future[None]", steps: list[str]) -> None:
    steps.append("begun")
    try:
        await future
    finally:
        steps.append("ended")


async def test_a_coroutine_begins_at_once_and_ends_when_somebody_looks(eager: Eager) -> None:
    future, steps = asyncio.get_running_loop().create_future(), list[str]()
    eager.begin(_waiting(future, steps))
    assert (steps, eager.over()) == (["begun"], False)
    future.set_result(None)
    await asyncio.sleep(0)
    assert steps == ["begun"]
    assert (eager.over(), steps) == (True, ["begun", "ended"])
    assert eager.over()


async def test_a_coroutine_may_wait_more_than_once_or_never(eager: Eager) -> None:
    loop = asyncio.get_running_loop()
    futures = [loop.create_future(), loop.create_future()]

    async def all_of(*waited_for: "asyncio.Future[None]") -> None:
        for future in waited_for:
            await future

    eager.begin(all_of(*futures))
    for future in futures:
        assert not eager.over()
        future.set_result(None)
    assert eager.over()
    eager.begin(all_of())
    assert eager.over()


async def test_what_a_coroutine_raises_is_raised_once_and_the_next_one_may_begin(eager: Eager) -> None:
    broken, whole = (asyncio.get_running_loop().create_future() for _ in range(2))
    eager.begin(_waiting(broken, []))
    broken.set_exception(ConnectionError("gone"))
    with pytest.raises(ConnectionError, match="gone"):
        eager.over()
    assert eager.over()
    eager.begin(_waiting(whole, []))
    assert not eager.over()


async def test_what_a_coroutine_raises_at_once_is_raised_at_once(eager: Eager) -> None:
    async def broken() -> None:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        eager.begin(broken())
    assert eager.over()


async def test_whoever_waits_for_the_end_is_called(eager: Eager) -> None:
    future, calls = asyncio.get_running_loop().create_future(), list[object]()
    eager.begin(_waiting(future, []))
    eager.then(calls.append)
    assert calls == []
    future.set_result(None)
    await asyncio.sleep(0)
    assert (len(calls), eager.over()) == (1, True)


@pytest.mark.parametrize("fails", [False, True])
async def test_what_is_let_go_runs_to_its_end_and_tells_nobody(eager: Eager, fails: bool) -> None:
    future, steps = asyncio.get_running_loop().create_future(), list[str]()
    eager.begin(_waiting(future, steps))
    eager.let_go()
    assert steps == ["begun"]
    if fails:
        future.set_exception(ConnectionError("gone"))
    else:
        future.set_result(None)
    await asyncio.sleep(0)
    assert steps == ["begun", "ended"]


async def test_what_waits_no_more_when_it_is_let_go_is_ended_there_and_then(eager: Eager) -> None:
    future, steps = asyncio.get_running_loop().create_future(), list[str]()
    eager.begin(_waiting(future, steps))
    future.set_result(None)
    eager.let_go()
    assert steps == ["begun", "ended"]
