"""The test's end of the line to a process it started."""

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

PATIENCE_S = 90.0
"""For what takes a fraction of a second on a machine that has time."""
ROOT = Path(__file__).parents[2]


@contextlib.asynccontextmanager
async def started(
    *command: str,
    env: Mapping[str, str] | None = None,
    stdin: int = DEVNULL,
    stdout: int = DEVNULL,
    stderr: int | None = PIPE,
) -> AsyncIterator[Process]:
    """A process for as long as the block lasts: told to end, then killed."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=stdin, stdout=stdout, stderr=stderr, cwd=ROOT, env={**os.environ, **(env or {})}, limit=1 << 24
    )
    try:
        yield process
    finally:
        await end(process)


async def end(process: Process) -> int:
    """SIGTERM, and the exit code; SIGKILL if that is not heard."""
    if process.returncode is None:
        process.terminate()
    try:
        return await asyncio.wait_for(process.wait(), PATIENCE_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise


async def output_of(*arguments: str, env: Mapping[str, str] | None = None) -> str:
    """What `trimtab ARGUMENTS` prints."""
    trimtab = (sys.executable, "-m", "trimtab.cli")
    async with started(*trimtab, *arguments, env=env, stdout=PIPE, stderr=PIPE) as process:
        out, errors = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 0, errors.decode()
    return out.decode()


async def json_line(process: Process) -> dict[str, Any]:
    """The next line that the process says on stdout."""
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
    assert line, f"the process ended with exit code {await process.wait()}"
    message: dict[str, Any] = json.loads(line)
    return message
