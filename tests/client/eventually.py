"""Waiting for a condition, with a deadline."""

import asyncio
import time
from collections.abc import Callable

TIMEOUT_S = 60.0
STEP_S = 0.005


def eventually(condition: Callable[[], object], timeout_s: float = TIMEOUT_S) -> None:
    """Return once `condition` holds; fail if it does not within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"still not true after {timeout_s} s"
        time.sleep(STEP_S)


async def eventually_async(condition: Callable[[], object], timeout_s: float = TIMEOUT_S) -> None:
    """The same without blocking the loop."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"still not true after {timeout_s} s"
        await asyncio.sleep(STEP_S)
