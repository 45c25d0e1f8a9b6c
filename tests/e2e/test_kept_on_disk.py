"""A Pod that starts while the control plane is away, with what another process was told before."""

import json
from pathlib import Path

import pytest

from tests.client.eventually import eventually_async
from tests.e2e.client import LIBRARY, NODE, STOCK_GRPC, client, needs_node, only
from tests.e2e.control_plane import ControlPlane
from tests.e2e.kubernetes import Kubernetes, Pod, Service

PAYMENTS = Service()
TARGET = f"xds:///{PAYMENTS.target}"


async def test_calls_of_a_new_process_flow_while_the_control_plane_is_dead(
    kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod], tmp_path: Path
) -> None:
    kubernetes.put(PAYMENTS, *pods[:2])
    bootstrap = await serving.bootstrap("grpc", "--node-id", "checkout")
    state = {"TRIMTAB_STATE_DIR": str(tmp_path / "state")}
    async with client(LIBRARY, bootstrap, **state) as caller:
        await caller.until(only("pod-1", "pod-2"), TARGET)
        await eventually_async(lambda: any((tmp_path / "state").glob("*.assignment")))
    await serving.kill()
    async with client(LIBRARY, bootstrap, **state) as caller:
        tally = await caller.call(TARGET, 50)
        assert (set(tally.answers), dict(tally.errors)) == ({"pod-1", "pod-2"}, {})
        kubernetes.put(PAYMENTS, *pods[2:3])
        await serving.start()
        await caller.until(only("pod-3"), TARGET)


@pytest.mark.parametrize("kind", [STOCK_GRPC, pytest.param(NODE, marks=needs_node)], ids=["stock gRPC", "Node.js"])
async def test_other_clients_pass_over_what_the_bootstrap_says_about_it(
    kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod], tmp_path: Path, kind: tuple[str, ...]
) -> None:
    kubernetes.put(PAYMENTS, *pods[:2])
    bootstrap = json.loads(await serving.bootstrap("grpc"))
    bootstrap["trimtab"] = {"state_dir": str(tmp_path / "state")}
    async with client(kind, json.dumps(bootstrap)) as caller:
        await caller.until(only("pod-1", "pod-2"), TARGET)
    assert not (tmp_path / "state").exists()
