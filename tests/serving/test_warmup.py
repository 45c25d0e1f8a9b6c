"""Warm-up steps: order, failure and what follows from it."""

import asyncio
import math
import sys
import threading
from typing import Any

import pytest

from trimtab.serving import OnFailure, Readiness, StepState, Warmup, WarmupError, repeated


def states(warmup: Warmup) -> dict[str, StepState]:
    return {step.name: step.state for step in warmup.steps}


async def test_steps_run_after_what_they_need_and_otherwise_side_by_side() -> None:
    warmup = Warmup()
    events: list[str] = []
    both_there = asyncio.Barrier(2)

    async def side_by_side() -> None:
        await both_there.wait()
        events.append("base")

    async def dependent() -> None:
        events.append("dependent")

    warmup.step("a", side_by_side)
    warmup.step("b", side_by_side)
    warmup.step("c", dependent, after=("a", "b"))
    assert await warmup.run() is Readiness.READY
    assert events == ["base", "base", "dependent"]
    assert set(states(warmup).values()) == {StepState.DONE}


async def test_a_callable_may_block_and_the_loop_goes_on() -> None:
    warmup, go = Warmup(), threading.Event()
    warmup.step("blocking", go.wait)

    async def release() -> None:
        go.set()

    warmup.step("free", release)
    assert await warmup.run() is Readiness.READY


async def test_a_callable_may_return_a_coroutine() -> None:
    warmup, seen = Warmup(), []

    async def connect(where: str) -> None:
        seen.append(where)

    warmup.step("connect", lambda: connect("db"))
    assert await warmup.run() is Readiness.READY
    assert seen == ["db"]


async def test_a_failed_step_says_why_and_those_after_it_are_skipped(caplog: pytest.LogCaptureFixture) -> None:
    warmup = Warmup()

    async def refuse() -> None:
        raise ConnectionError("no route to db")

    async def never() -> None:
        raise AssertionError("must not run")

    warmup.step("connect", refuse)
    warmup.step("prime", never, after=["connect"])
    warmup.step("last", never, after=["prime"])
    assert await warmup.run() is Readiness.UNREADY
    connect, prime, last = warmup.steps
    assert (connect.state, connect.why) == (StepState.FAILED, "ConnectionError: no route to db")
    assert (prime.state, prime.why) == (StepState.SKIPPED, "needs connect")
    assert (last.state, last.why) == (StepState.SKIPPED, "needs prime")
    assert "connect failed after" in caplog.text
    assert "no route to db" in caplog.text


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_step_that_takes_too_long_has_failed(blocking: bool) -> None:
    warmup, never = Warmup(), threading.Event()

    async def hang() -> None:
        await asyncio.Event().wait()

    warmup.step("slow", never.wait if blocking else hang, timeout_s=0.05)
    assert await warmup.run() is Readiness.UNREADY
    assert warmup.steps[0].why == "took longer than 0.05 s"
    never.set()


async def test_a_step_that_cancels_itself_has_failed() -> None:
    warmup = Warmup()

    async def give_up() -> None:
        raise asyncio.CancelledError

    warmup.step("a", give_up)
    assert await warmup.run() is Readiness.UNREADY
    assert warmup.steps[0].state is StepState.FAILED


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_step_that_wants_to_end_the_process_has_failed(blocking: bool) -> None:
    """A library that calls `sys.exit` must not take the pod's event loop with it."""
    warmup = Warmup()

    async def leave() -> None:
        sys.exit("no licence")

    warmup.step("library", (lambda: sys.exit("no licence")) if blocking else leave)
    assert await warmup.run() is Readiness.UNREADY
    assert warmup.steps[0].why == "SystemExit: no licence"


async def test_the_policy_is_the_steps_own_else_the_warm_ups() -> None:
    async def fail() -> None:
        raise ValueError

    lenient = Warmup(on_failure=OnFailure.SERVE_RAMPED)
    lenient.step("cache", fail)
    assert await lenient.run() is Readiness.RAMPED
    lenient.step("model", fail, on_failure=OnFailure.STAY_UNREADY)
    assert await lenient.run() is Readiness.UNREADY


async def test_a_second_run_tries_what_is_not_done_and_nothing_else() -> None:
    warmup, runs = Warmup(), []

    async def fine() -> None:
        runs.append("fine")

    async def second_time_lucky() -> None:
        runs.append("flaky")
        if runs.count("flaky") == 1:
            raise OSError("not yet")

    async def after() -> None:
        runs.append("after")

    warmup.step("fine", fine)
    warmup.step("flaky", second_time_lucky)
    warmup.step("after", after, after=["flaky"])
    assert await warmup.run() is Readiness.UNREADY
    assert await warmup.run() is Readiness.READY
    assert sorted(runs) == ["after", "fine", "flaky", "flaky"]


async def test_cancelled_it_is_not_ready() -> None:
    warmup, begun = Warmup(), asyncio.Event()

    async def hang() -> None:
        begun.set()
        await asyncio.Event().wait()

    warmup.step("a", hang)
    running = asyncio.create_task(warmup.run())
    await begun.wait()
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert warmup.readiness is Readiness.UNREADY


async def _nothing() -> None:
    pass


@pytest.mark.parametrize(
    ("name", "after", "timeout_s", "complaint"),
    [
        ("a", (), 1, "there is one of that name"),
        ("b", ("z",), 1, "there is no step 'z' before it"),
        ("b", ("b",), 1, "there is no step 'b' before it"),
        ("b", "a", 1, "expected a sequence of names, got the string 'a'"),
        ("b", (), 0, "expected a number, more than 0, got 0"),
        ("b", (), math.nan, "expected a number, more than 0, got nan"),
        ("", (), 1, "name: expected a string that is not empty"),
    ],
)
def test_a_step_that_cannot_run_as_declared_is_refused(
    name: str, after: tuple[str, ...], timeout_s: float, complaint: str
) -> None:
    warmup = Warmup()
    warmup.step("a", _nothing)
    with pytest.raises(WarmupError, match=complaint):
        warmup.step(name, _nothing, after=after, timeout_s=timeout_s)
    assert [step.name for step in warmup.steps] == ["a"]


def test_what_a_step_cannot_call_is_refused() -> None:
    warmup, called = Warmup(), _nothing()
    not_functions: list[Any] = [called, None]
    for run in not_functions:
        with pytest.raises(WarmupError, match="warm-up step 'a': run: expected a function, got"):
            warmup.step("a", run)
        with pytest.raises(WarmupError, match="repeated: call: expected a function, got"):
            repeated(run, 3)
    called.close()
    assert not warmup.steps


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"retry_s": -1}, "retry_s: expected a number, more than 0, got -1"),
        ({"retry_s": 0}, "retry_s: expected a number, more than 0, got 0"),
        ({"ramp_s": math.nan}, "ramp_s: expected a number, at least 0, got nan"),
        ({"on_failure": "serve ramped"}, "on_failure: expected OnFailure.STAY_UNREADY or OnFailure.SERVE_RAMPED, got"),
    ],
)
def test_a_warm_up_that_cannot_go_as_declared_is_refused(settings: Any, complaint: str) -> None:
    with pytest.raises(WarmupError, match=complaint):
        Warmup(**settings)
