"""`trimtab COMMAND` as a process of its own that is expected to end."""

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any

from tests.cli.serving import PATIENCE_S


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """What it printed, which must be one line of JSON."""
        assert self.stdout.count("\n") == 1, self.stderr
        return json.loads(self.stdout)


async def run(*arguments: str, stdin: str | None = None) -> Ended:
    """Run a command to its end; clients of the same test go on meanwhile."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "trimtab.cli",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            stdout, stderr = await process.communicate(None if stdin is None else stdin.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(process.returncode, stdout.decode(), stderr.decode())
