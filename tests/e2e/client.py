"""A client of any kind, in a process of its own: what is read once per process differs from client to client."""

import asyncio
import contextlib
import json
import shutil
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.process import PATIENCE_S, ROOT, json_line, started

STOCK_GRPC = (sys.executable, "-m", "tests.e2e.stock_grpc")
LIBRARY = (sys.executable, "-m", "tests.e2e.library")
_LOOK_AGAIN_S = 0.02
_NODE_FOLDER = ROOT / "tests" / "e2e" / "node"
NODE = (shutil.which("node") or "node", str(_NODE_FOLDER / "client.js"))

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (_NODE_FOLDER / "node_modules" / "@grpc" / "grpc-js-xds").exists(),
    reason="there is no Node.js with grpc-js-xds; where there is Node.js, `make test` installs the rest",
)


@dataclass(frozen=True)
class Tally:
    """Who answered how often, what went wrong how often, and how long the longest call took."""

    answers: Mapping[str, int]
    errors: Mapping[str, int]
    slowest_s: float

    @property
    def calls(self) -> int:
        return sum(self.answers.values()) + sum(self.errors.values())

    def share(self, *names: str) -> float:
        """The part of the answers that came from these Pods."""
        return sum(self.answers.get(name, 0) for name in names) / sum(self.answers.values())


class Client:
    """Tells the process what to call, and hears how it went."""

    def __init__(self, process: Process) -> None:
        self.process = process

    async def call(self, target: str, count: int = 1, **more: Any) -> Tally:
        """Make `count` calls."""
        return Tally(**await self._ask({"call": count, "to": target, **more}))

    async def until(self, holds: Callable[[Tally], bool], target: str, count: int = 30, **more: Any) -> Tally:
        """Call in batches until it holds for one."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds(tally := await self.call(target, count, **more)):
            assert time.monotonic() < deadline, f"{target}: it came to {tally}"
        return tally

    async def begin(self, target: str, *, parallel: int = 4, pause_s: float = 0.01, **more: Any) -> None:
        """Call without end."""
        await self._ask({"begin": target, "parallel": parallel, "pause_s": pause_s, **more})

    async def so_far(self, target: str) -> Tally:
        """How the calls that were begun went until now."""
        return Tally(**await self._ask({"so_far": target}))

    async def reach(self, target: str, count: int, *names: str) -> None:
        """Return when these Pods have answered `count` more of the calls that were begun."""
        first = await self._answered(target, names)
        deadline = time.monotonic() + PATIENCE_S
        while await self._answered(target, names) < first + count:
            assert time.monotonic() < deadline, f"{target}: {await self.so_far(target)}"
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _answered(self, target: str, names: Sequence[str]) -> int:
        answers = (await self.so_far(target)).answers
        return sum(answers.get(name, 0) for name in names)

    async def end(self, target: str) -> Tally:
        """Stop calling; how all of it went."""
        return Tally(**await self._ask({"end": target}))

    async def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        await self.process.stdin.drain()
        return await json_line(self.process)


@contextlib.asynccontextmanager
async def client(command: tuple[str, ...], bootstrap: str | None = None, **env: str) -> AsyncIterator[Client]:
    """A client process, with this bootstrap if it shall have one."""
    config = {} if bootstrap is None else {"GRPC_XDS_BOOTSTRAP_CONFIG": bootstrap}
    async with started(*command, env={**config, **env}, stdin=PIPE, stdout=PIPE, stderr=None) as process:
        yield Client(process)


def only(*names: str) -> Callable[[Tally], bool]:
    """Exactly these Pods answered, and nothing went wrong."""
    return lambda tally: set(tally.answers) == set(names) and not tally.errors
