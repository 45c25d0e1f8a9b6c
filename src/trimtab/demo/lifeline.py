"""`trimtab serve` for as long as the demo lives: `python -m trimtab.demo.lifeline MANIFESTS`.

The control plane is the command users run, and that does not watch its stdin. This process does, in its place.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from functools import partial
from typing import Final

from .parent import Inbox, say, while_parent_lives

_TRIMTAB: Final = (sys.executable, "-m", "trimtab.cli")
_ANY_PORT: Final = "127.0.0.1:0"
_GRACE_S: Final = 1.0
"""Shorter than the demo's patience with this process, which must not go before the control plane."""


async def serve(manifests: str, inbox: Inbox) -> None:
    arguments = ("serve", "--manifests", manifests, "--listen", _ANY_PORT, "--admin", _ANY_PORT)
    process = await asyncio.create_subprocess_exec(*_TRIMTAB, *arguments, stderr=PIPE)
    try:
        await _relay(process)
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _GRACE_S)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _relay(process: Process) -> None:
    """Pass the control plane's log on, and its address as soon as it serves."""
    assert process.stderr is not None
    async for line in process.stderr:
        sys.stderr.buffer.write(line)
        sys.stderr.flush()
        event = _event(line)
        if event.get("event") == "serving":
            say({"xds": event["xds"]})


def _event(line: bytes) -> dict[str, object]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


if __name__ == "__main__":
    asyncio.run(while_parent_lives(partial(serve, sys.argv[1])))
    # Either the demo is gone and does not look, or the control plane ended before its time.
    sys.exit(1)
