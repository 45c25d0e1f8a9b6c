"""A child process's end of the line to the demo: JSON lines in on stdin, out on stdout."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Inbox = asyncio.Queue[dict[str, Any]]


async def while_parent_lives(work: Callable[[Inbox], Awaitable[None]]) -> None:
    """Run `work` on what the demo says, until it returns or the demo is over or gone.

    Whichever way the demo ends, its end of the pipe closes with it: no child outlives it.
    """
    inbox = Inbox()
    working = asyncio.ensure_future(work(inbox))
    listening = asyncio.create_task(_listen(inbox))
    await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
    for task in (working, listening):
        task.cancel()
    await asyncio.wait({working, listening})
    if not working.cancelled():
        working.result()


async def _listen(inbox: Inbox) -> None:
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        inbox.put_nowait(json.loads(line))


def say(message: Mapping[str, Any]) -> None:
    """Tell the demo."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
