"""A callable that may block, run beside an event loop.

Not in the loop's executor: that waits for its threads when the loop ends, and a step that hangs would keep a pod alive that
was told to go.
"""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_daemon_thread(run: Callable[[], T], name: str) -> T:
    """What `run` returns or raises. If the caller gives up, the thread goes on and nobody waits for it."""
    result: concurrent.futures.Future[T] = concurrent.futures.Future()
    # Or giving up would cancel it, and the thread could not settle it any more.
    result.set_running_or_notify_cancel()

    def work() -> None:
        try:
            result.set_result(run())
        except BaseException as error:  # noqa: BLE001 - whatever it is, somebody waits for it
            result.set_exception(error)

    threading.Thread(target=work, name=name, daemon=True).start()
    return await asyncio.wrap_future(result)
