"""A Pod that starts while the control plane is away, with what another process was told before."""

from pathlib import Path

from tests.client.eventually import eventually_async
from tests.e2e.client import LIBRARY, client, only
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
