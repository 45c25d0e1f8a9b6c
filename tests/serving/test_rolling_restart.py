"""Every pod of a service is replaced under load, and no call is lost: real processes, ours and stock gRPC's clients."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.cli.serving import serving
from tests.serving.caller import CHANNELS
from tests.serving.pod import PATIENCE_S
from trimtab.demo.manifests import write_manifests
from trimtab.demo.pod import Pod, reserved_pods

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "examples/cold_start/service.py"
PODS = 3


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
            "1",
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


async def said(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
    assert line, "the caller has ended"
    message: dict[str, Any] = json.loads(line)
    return message


@pytest.mark.timeout(120)
async def test_a_rolling_restart_loses_no_call(tmp_path: Path) -> None:
    with reserved_pods(2 * PODS) as pods:
        async with AsyncExitStack() as processes:
            roll = Roll(tmp_path, pods, processes)
            await roll.start(*pods[:PODS])
            roll.tell()
            control_plane = processes.enter_context(serving(tmp_path))
            callers = {
                kind: await roll.process("-m", "tests.serving.caller", kind, env=bootstrap(control_plane.xds))
                for kind in CHANNELS
            }
            for caller in callers.values():
                assert await said(caller) == {"calling": True}
            for old, new in zip(pods[:PODS], pods[PODS:], strict=True):
                await roll.start(new)
                roll.tell()
                await roll.retire(old)
            outcomes = {}
            for kind, caller in callers.items():
                assert caller.stdin is not None
                caller.stdin.close()
                outcomes[kind] = await said(caller)
    lost = {kind: outcome for kind, outcome in outcomes.items() if set(outcome) != {"OK"}}
    assert not lost
