import threading
import time

import pytest

from tests.client.eventually import eventually
from trimtab.client.loop import ThreadLoop


def test_callbacks_run_in_order_in_one_thread() -> None:
    loop = ThreadLoop("test")
    seen: list[object] = []
    for index in range(100):
        loop.call_soon_threadsafe(lambda index=index: seen.append((index, threading.current_thread().name)))
    loop.stop()
    loop.join()
    assert seen == [(index, "test") for index in range(100)]


def test_timers_run_in_the_order_of_their_times() -> None:
    loop = ThreadLoop("test")
    seen: list[object] = []

    def schedule() -> None:
        loop.call_later(0.04, seen.append, "late")
        loop.call_later(0.02, seen.append, "early")
        loop.call_later(0.01, seen.append, "cancelled").cancel()

    loop.call_soon_threadsafe(schedule)
    eventually(lambda: len(seen) == 2)
    loop.stop()
    loop.join()
    assert seen == ["early", "late"]


def test_a_timer_is_not_held_up_by_a_busy_loop() -> None:
    loop, fired = ThreadLoop("test"), threading.Event()
    loop.call_soon_threadsafe(loop.call_later, 0.01, fired.set)
    until = time.monotonic() + 60
    while not fired.is_set() and time.monotonic() < until:
        loop.call_soon_threadsafe(int)
    loop.stop()
    assert fired.is_set()


@pytest.mark.parametrize("delay", [float("inf"), 1e10])
def test_a_timer_further_away_than_anything_can_be_waited_for(delay: float) -> None:
    loop, fired = ThreadLoop("test"), threading.Event()
    loop.call_soon_threadsafe(loop.call_later, delay, int)
    loop.call_soon_threadsafe(loop.call_later, 0.01, fired.set)
    assert fired.wait(60)
    # By now it waits for the far one, and still hears what is new.
    fired.clear()
    loop.call_soon_threadsafe(fired.set)
    assert fired.wait(60)
    loop.stop()
    loop.join()


def test_a_failing_callback_is_logged_and_the_loop_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    loop = ThreadLoop("test")
    seen: list[object] = []
    loop.call_soon_threadsafe(lambda: 1 / 0)
    loop.call_soon_threadsafe(seen.append, "next")
    loop.stop()
    loop.join()
    assert seen == ["next"]
    assert "a callback failed" in caplog.text


def test_a_stopped_loop_still_runs_what_it_is_given() -> None:
    loop = ThreadLoop("test")
    seen: list[object] = []
    loop.stop()
    loop.join()
    loop.call_soon_threadsafe(seen.append, "after")
    assert seen == ["after"]


def test_joining_from_its_own_thread_does_not_wait_for_itself() -> None:
    loop, joined = ThreadLoop("test"), threading.Event()
    loop.call_soon_threadsafe(loop.join)
    loop.call_soon_threadsafe(joined.set)
    assert joined.wait(5)
    loop.stop()
