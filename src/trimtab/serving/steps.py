"""Steps that many warm-ups need."""

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable
from typing import Final

from ..errors import WarmupError
from .address import split_address
from .daemon import in_daemon_thread
from .given import check_function
from .warmup import Run

_LOOK_EVERY_S: Final = 0.05


def repeated(call: Run, times: int, *, at_once: int = 4) -> Callable[[], Awaitable[None]]:
    """A step that makes `call` `times` times, `at_once` side by side: for synthetic requests through the real server.

    The first failure is the step's failure. Raises WarmupError for what cannot be called, and numbers with which it would do nothing.
    """
    check_function(call, "repeated: call", WarmupError)
    if times < 1 or at_once < 1:
        raise WarmupError(f"repeated: expected at least 1 call, 1 at once, got {times} calls, {at_once} at once")

    async def worker(numbers: list[int]) -> None:
        while numbers:
            numbers.pop()
            if inspect.iscoroutinefunction(call):
                await call()
                continue
            result = await in_daemon_thread(call, "trimtab warm-up call")
            if inspect.isawaitable(result):
                await result

    async def run() -> None:
        numbers = list(range(times))
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(at_once):
                    workers.create_task(worker(numbers))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    return run


def listening(address: str) -> Callable[[], Awaitable[None]]:
    """A step that is done once somebody listens at `address`, HOST:PORT.

    ASGI servers open their port after the application has started, which is when its warm-up begins: what calls the
    server itself comes after this. Raises WarmupError for an address that is none.
    """
    try:
        host, port = split_address(address)
    except ValueError as error:
        raise WarmupError(f"listening: {error}") from None

    async def run() -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError:
                await asyncio.sleep(_LOOK_EVERY_S)
                continue
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            return

    return run
