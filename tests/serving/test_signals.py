"""What SIGTERM does to a pod: real processes, both kinds of server."""

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.serving.pod import KINDS, PATIENCE_S

ROOT = Path(__file__).parents[2]
LONG_S = 600.0
NOT_SERVING, SERVING = b"\x08\x02", b"\x08\x01"
pytestmark = pytest.mark.parametrize("kind", KINDS)


class SignalledPod:
    """A pod's process, and a connection to it."""

    def __init__(self, process: Process, channel: grpc.aio.Channel) -> None:
        self.process = process
        self._channel = channel

    async def stream(self, method: str) -> Any:
        """A stream that has begun."""
        start: Any = self._channel.unary_stream(method)
        call = start(b"")
        async with asyncio.timeout(PATIENCE_S):
            await call.read()
        return call

    async def warm(self) -> None:
        """Let the warm-up end, and return when the pod says that it is ready."""
        assert self.process.stdin is not None
        watching = await self.stream("/grpc.health.v1.Health/Watch")
        self.process.stdin.write(b"go\n")
        assert await asyncio.wait_for(watching.read(), PATIENCE_S) == SERVING

    async def drain(self) -> None:
        """SIGTERM, and return when the pod says that it does not serve."""
        watching = await self.stream("/grpc.health.v1.Health/Watch")
        self.process.terminate()
        assert await asyncio.wait_for(watching.read(), PATIENCE_S) == NOT_SERVING

    async def logged(self, words: str) -> None:
        """Return once it has logged them."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            while words not in (line := await self.process.stderr.readline()).decode():
                assert line, "it ended"

    async def log(self) -> str:
        """What it logged until it ended, which it must have done well."""
        _, log = await asyncio.wait_for(self.process.communicate(), PATIENCE_S)
        assert self.process.returncode == 0, log.decode()
        return log.decode()


@contextlib.asynccontextmanager
async def pod(kind: str, limit_s: float = LONG_S, repeat_s: float = 0.0) -> AsyncIterator[SignalledPod]:
    """A pod that is warming up."""
    arguments = ("-m", "tests.serving.signalled_pod", kind, str(limit_s), str(repeat_s))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    try:
        assert process.stdout is not None
        port = int(await asyncio.wait_for(process.stdout.readline(), PATIENCE_S))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield SignalledPod(process, channel)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_while_it_warms_up_it_ends_it_at_once(kind: str) -> None:
    """The step hangs in a thread for as long as nobody writes to stdin; nobody does."""
    async with pod(kind) as running:
        running.process.terminate()
        assert "stopped after" in await running.log()


async def test_the_second_ends_a_drain_at_once(kind: str) -> None:
    async with pod(kind) as running:
        await running.warm()
        under_way = await running.stream("/test.Echo/Endless")
        await running.drain()
        running.process.terminate()
        with pytest.raises(grpc.aio.AioRpcError):
            await asyncio.wait_for(under_way.read(), PATIENCE_S)
        assert "1 were in flight at the end" in await running.log()


async def test_two_at_once_are_one(kind: str) -> None:
    """As GNU timeout sends them: to the process, and to its group."""
    async with pod(kind, repeat_s=LONG_S) as running:
        await running.warm()
        under_way = await running.stream("/test.Echo/Endless")
        await running.drain()
        running.process.terminate()
        await running.logged("told to go again")
        # It still takes calls, and the one under way is waited for.
        hearing = await running.stream("/test.Echo/UntilDrained")
        assert await asyncio.wait_for(hearing.read(), PATIENCE_S) is grpc.aio.EOF
        under_way.cancel()
        assert "0 were in flight at the end" in await running.log()


async def test_a_stream_that_does_not_end_is_waited_for_up_to_the_limit(kind: str) -> None:
    async with pod(kind, limit_s=1.0) as running:
        await running.warm()
        under_way = await running.stream("/test.Echo/Endless")
        running.process.terminate()
        with pytest.raises(grpc.aio.AioRpcError):
            await asyncio.wait_for(under_way.read(), PATIENCE_S)
        assert "1 were in flight at the end" in await running.log()


async def test_a_stream_that_hears_of_the_drain_does_not_hold_it_up(kind: str) -> None:
    async with pod(kind) as running:
        await running.warm()
        hearing = await running.stream("/test.Echo/UntilDrained")
        running.process.terminate()
        assert await asyncio.wait_for(hearing.read(), PATIENCE_S) is grpc.aio.EOF
        assert "0 were in flight at the end" in await running.log()
