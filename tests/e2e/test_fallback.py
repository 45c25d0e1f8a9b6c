"""A service that names a fallback is served by it when its own Pods are lost, for clients with and without our library."""

import pytest

from tests.e2e.client import LIBRARY, STOCK_GRPC, client, only
from tests.e2e.control_plane import ControlPlane
from tests.e2e.kubernetes import Kubernetes, Pod, Service
from tests.e2e.pods import GrpcPod

PAYMENTS = Service(policy={"fallback": ["spare"]})
SPARE = Service("spare")
TARGET = f"xds:///{PAYMENTS.target}"


@pytest.mark.parametrize("kind", [STOCK_GRPC, LIBRARY], ids=["stock gRPC", "library"])
async def test_lost_pods_are_stood_in_for_and_taken_back(
    kubernetes: Kubernetes, serving: ControlPlane, reserved: list[Pod], kind: tuple[str, ...]
) -> None:
    kubernetes.put(PAYMENTS, *reserved[:2])
    kubernetes.put(SPARE, *reserved[2:4])
    running = [GrpcPod(pod) for pod in reserved[:4]]
    for pod in running:
        await pod.start()
    async with client(kind, await serving.bootstrap("grpc")) as caller:
        await caller.until(only("pod-1", "pod-2"), TARGET, 100)
        # Killed: nobody has told the control plane.
        for pod in running[:2]:
            await pod.stop(None)
        await caller.until(only("pod-3", "pod-4"), TARGET)
        again = GrpcPod(reserved[0])
        await again.start()
        await caller.until(lambda tally: "pod-1" in tally.answers and not tally.errors, TARGET)
        # And now the control plane knows that there is none of its own left.
        kubernetes.put(PAYMENTS)
        await caller.until(only("pod-3", "pod-4"), TARGET)
    for pod in (*running[2:], again):
        await pod.stop(None)
    assert await serving.rejects() == 0
