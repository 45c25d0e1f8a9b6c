"""A Pod in a process of its own, so that it can be killed: `python -m tests.e2e.pod_process NAME ADDRESS PORT`."""

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator

from tests.e2e.kubernetes import Pod
from tests.e2e.pods import grpc_pod
from tests.e2e.process import PATIENCE_S, started


@contextlib.asynccontextmanager
async def pod_process(pod: Pod) -> AsyncIterator[Process]:
    """The process, serving."""
    command = (sys.executable, "-m", "tests.e2e.pod_process", pod.name, pod.address, str(pod.port))
    async with started(*command, stdin=PIPE, stdout=PIPE, stderr=None) as process:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), PATIENCE_S) == b"serving\n"
        yield process


async def main(name: str, address: str, port: str) -> None:
    async with grpc_pod(Pod(name, address, int(port))):
        sys.stdout.write("serving\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
