"""Client processes that measure all contenders, one after the other: started, asked and ended from here."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .bench_fleet import BenchFleet

Process = subprocess.Popen[str]


@contextmanager
def client(module: str, settings: Mapping[str, Any], env: Mapping[str, str] | None = None) -> Iterator[Process]:
    """A process of `module` that answers once it has made a call to every one of `targets`."""
    command = [sys.executable, "-m", f"benchmarks.{module}", json.dumps(settings)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdin is not None
        yield process
        process.stdin.close()


async def connected(clients: Sequence[Process]) -> None:
    """Return once every client has called every contender."""
    await asyncio.gather(*(asyncio.to_thread(_read, process) for process in clients))


async def ask(clients: Sequence[Process], contender: str, seed: int) -> list[list[Any]]:
    """What each client measures of the contender, all at the same time."""
    line = json.dumps({"contender": contender, "seed": seed})
    return await asyncio.gather(*(asyncio.to_thread(_ask, process, line) for process in clients))


def _ask(process: Process, line: str) -> list[Any]:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    answer: list[Any] = _read(process)
    return answer


def _read(process: Process) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def direct(fleet: BenchFleet) -> str:
    """The backends as a target of plain gRPC."""
    return "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in fleet.ports)
