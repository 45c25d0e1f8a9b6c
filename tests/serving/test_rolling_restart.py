"""Every pod of a service is replaced under load, and no call is lost: real processes, ours, stock gRPC's clients and Envoy."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.cli.serving import serving
from tests.e2e.envoy import envoy, needs_envoy
from tests.e2e.process import output_of
from tests.serving.caller import CHANNELS
from tests.serving.pod import PATIENCE_S
from trimtab.demo.manifests import write_manifests
from trimtab.demo.pod import Pod, reserved_pods

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "examples/cold_start/service.py"
PODS = 3
QUIET_S = "2"
"""Longer than a busy machine may keep a caller, or the word from the control plane, from running."""


class Roll:
    """The pods' and callers' processes, and the manifests that describe the pods."""

    def __init__(self, manifests: Path, pods: Sequence[Pod], processes: AsyncExitStack) -> None:
        self._manifests = manifests
        self._pods = pods
        self._processes = processes
        self._running: dict[Pod, Process] = {}

    async def start(self, *pods: Pod) -> None:
        """Start pods, and return when each says that it is ready."""
        await asyncio.gather(*map(self._start, pods))

    async def _start(self, pod: Pod) -> None:
        command = (
            str(SERVICE),
            "--listen",
            pod.authority,
            "--probe",
            f"{pod.address}:0",
            "--load",
            "0.1",
            "--quiet",
            QUIET_S,
        )
        process = await self.process(*command, stderr=PIPE)
        assert process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            while b" ready after " not in (line := await process.stderr.readline()):
                assert line, f"{pod.name} ended"
        self._running[pod] = process

    def tell(self, leaving: Sequence[Pod] = ()) -> None:
        """Let the manifests say which pods there are."""
        write_manifests(self._manifests, list(self._running), leaving)

    async def retire(self, pod: Pod) -> None:
        """SIGTERM, at the moment at which the endpoint controller says that the pod leaves. It must end well."""
        process = self._running[pod]
        process.terminate()
        self.tell(leaving=[pod])
        _, log = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        assert process.returncode == 0
        assert b"stopped after" in log
        del self._running[pod]
        self.tell()

    async def replace_all(self, callers: Mapping[str, Process]) -> None:
        """Once everyone calls, replace one pod after the other."""
        for caller in callers.values():
            assert await said(caller) == {"calling": True}
        for old, new in zip(self._pods[:PODS], self._pods[PODS:], strict=True):
            await self.start(new)
            self.tell()
            await self.retire(old)

    async def process(self, *arguments: str, env: dict[str, str] | None = None, stderr: int = DEVNULL) -> Process:
        """A Python process that is gone after the test."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=stderr,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
        )

        async def end() -> None:
            if process.returncode is None:
                process.kill()
            await process.wait()

        self._processes.push_async_callback(end)
        return process


def bootstrap(control_plane: str) -> dict[str, str]:
    """Where the control plane is, in the way every gRPC client understands."""
    server = {"server_uri": control_plane, "channel_creds": [{"type": "insecure"}], "server_features": ["xds_v3"]}
    return {"GRPC_XDS_BOOTSTRAP_CONFIG": json.dumps({"xds_servers": [server], "node": {"id": "caller"}})}


async def in_the_end(caller: Process) -> dict[str, int]:
    """Let a caller stop; how its calls went."""
    assert caller.stdin is not None
    caller.stdin.close()
    return await said(caller)


async def said(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
    assert line, "the caller has ended"
    message: dict[str, Any] = json.loads(line)
    return message


@asynccontextmanager
async def first_pods(folder: Path) -> AsyncIterator[tuple[Roll, str]]:
    """A service with its first pods, and the address of the control plane that serves it."""
    with reserved_pods(2 * PODS) as pods:
        async with AsyncExitStack() as processes:
            roll = Roll(folder, pods, processes)
            await roll.start(*pods[:PODS])
            roll.tell()
            yield roll, processes.enter_context(serving(folder)).xds


async def test_a_rolling_restart_loses_no_call(tmp_path: Path) -> None:
    async with first_pods(tmp_path) as (roll, control_plane):
        callers = {
            kind: await roll.process("-m", "tests.serving.caller", kind, env=bootstrap(control_plane))
            for kind in CHANNELS
        }
        await roll.replace_all(callers)
        lost = {kind: outcome for kind, caller in callers.items() if set(outcome := await in_the_end(caller)) != {"OK"}}
    assert not lost


@needs_envoy
async def test_a_rolling_restart_behind_envoy_loses_no_call(tmp_path: Path) -> None:
    manifests, config = tmp_path / "manifests", tmp_path / "envoy"
    manifests.mkdir()
    config.mkdir()
    async with first_pods(manifests) as (roll, control_plane):
        anywhere = ("--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0")
        printed = await output_of("bootstrap", "envoy", "--server", control_plane, *anywhere)
        async with envoy(config, printed) as proxy:
            caller = await roll.process("-m", "tests.serving.caller", "stock grpc.aio", await proxy.listener())
            await roll.replace_all({"envoy": caller})
            assert set(await in_the_end(caller)) == {"OK"}
