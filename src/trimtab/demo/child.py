"""The demo's end of the line to a process it started."""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from ..errors import DemoError

_GRACE_S: Final = 2.0
_LINE_LIMIT: Final = 1 << 20


class Child:
    """A process of the demonstration, spoken to in JSON lines. It ends when its stdin does."""

    def __init__(self, name: str, process: Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log
        self._one_question_at_a_time = asyncio.Lock()

    @classmethod
    async def start(cls, name: str, folder: Path, module: str, *arguments: str) -> Self:
        """Start `python -m module arguments`. Its stderr goes to a file in `folder`."""
        log = folder / f"{name}.log"
        with log.open("wb") as stderr:
            # In a session of its own: Ctrl-C in the terminal reaches the demo alone, which then ends its children.
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, *arguments,
                stdin=PIPE, stdout=PIPE, stderr=stderr, limit=_LINE_LIMIT, start_new_session=True,
            )  # fmt: skip
        return cls(name, process, log)

    def send(self, message: Mapping[str, Any]) -> None:
        """Tell the child."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def receive(self) -> dict[str, Any]:
        """The next thing the child says. Raises DemoError if it has ended."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise await self._ended()
        message: dict[str, Any] = json.loads(line)
        return message

    async def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Tell the child and hear its answer. Raises DemoError if it has ended."""
        async with self._one_question_at_a_time:
            self.send(message)
            return await self.receive()

    def terminate(self) -> None:
        """Send SIGTERM, as the kubelet does. A child that has ended is noticed when it is asked."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    async def stop(self) -> None:
        """End the process, gently and then for sure."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _GRACE_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _ended(self) -> DemoError:
        code = await self._process.wait()
        last_words = self._log.read_text(errors="replace").strip().splitlines()[-5:]
        said = "\n".join(["; its last words:", *last_words]) if last_words else ""
        return DemoError(f"{self.name} ended unexpectedly with exit code {code}{said}")


async def stop_all(children: "list[Child]") -> None:
    """End all of them at the same time."""
    await asyncio.gather(*(child.stop() for child in children))
