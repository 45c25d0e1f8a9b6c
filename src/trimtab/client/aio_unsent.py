"""Calls that grpc.aio never sends, because their metadata or their request is refused.

They fail in their task, and gRPC's own call is then never done: they would be counted until the garbage collector finds
them. To watch a task costs 1 µs, so only the calls of which something is doubtful are watched.
"""

import asyncio
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import grpc.aio


def end_with_task(call: Any) -> None:
    """End the call if its task fails."""
    task = getattr(call, "_call_response", None) or getattr(call, "_preparation", None)
    if task is not None:
        task.add_done_callback(partial(_task_over, weakref.ref(call)))


def _task_over(watched: "weakref.ref[Any]", task: "asyncio.Task[Any]") -> None:
    call = watched()
    if call is not None and not task.cancelled() and task.exception() is not None:
        call.cancel()


def watching(serializer: Callable[[Any], bytes] | None) -> Callable[[Any], Any]:
    """The serializer of a single request, which watches the calls that it gives anything but bytes."""

    def serialize(request: Any) -> Any:
        try:
            message = request if serializer is None else serializer(request)
        except BaseException:
            _watch()
            raise
        if type(message) is not bytes:
            _watch()
        return message

    return serialize


def _watch() -> None:
    """Watch the call whose task runs here: grpc.aio serializes in it."""
    task = asyncio.current_task()
    coroutine: Any = None if task is None else task.get_coro()
    frame = getattr(coroutine, "cr_frame", None)
    call = None if frame is None else frame.f_locals.get("self")
    if task is not None and isinstance(call, grpc.aio.Call):
        task.add_done_callback(partial(_task_over, weakref.ref(call)))
