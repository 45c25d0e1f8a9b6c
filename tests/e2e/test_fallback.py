"""A service that names a fallback is served by it when its own Pods are lost, for clients with and without our library."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.client import LIBRARY, STOCK_GRPC, Client, client, only
from tests.e2e.control_plane import ControlPlane
from tests.e2e.envoy import needs_envoy
from tests.e2e.kubernetes import Kubernetes, Pod, Service
from tests.e2e.pods import GrpcPod
from tests.e2e.test_envoy import started

PAYMENTS = Service(policy={"fallback": ["spare"]})
SPARE = Service("spare")


@pytest.fixture
async def running(kubernetes: Kubernetes, reserved: list[Pod]) -> AsyncIterator[list[GrpcPod]]:
    """Pods 1 and 2 are the service's own, 3 and 4 its fallback's."""
    kubernetes.put(PAYMENTS, *reserved[:2])
    kubernetes.put(SPARE, *reserved[2:4])
    serving = [GrpcPod(pod) for pod in reserved[:4]]
    for pod in serving:
        await pod.start()
    yield serving
    for pod in serving:
        await pod.stop(None)


async def stood_in_for(
    kubernetes: Kubernetes, running: list[GrpcPod], caller: Client, target: str, authority: str
) -> None:
    """Killed, of which nobody tells the control plane; back; and gone for good."""
    await caller.until(only("pod-1", "pod-2"), target, 100, authority=authority)
    for pod in running[:2]:
        await pod.stop(None)
    await caller.until(only("pod-3", "pod-4"), target, authority=authority)
    running[0] = GrpcPod(running[0].pod)
    await running[0].start()
    await caller.until(lambda tally: "pod-1" in tally.answers and not tally.errors, target, authority=authority)
    kubernetes.put(PAYMENTS)
    await caller.until(only("pod-3", "pod-4"), target, authority=authority)


@pytest.mark.parametrize("kind", [STOCK_GRPC, LIBRARY], ids=["stock gRPC", "library"])
async def test_lost_pods_are_stood_in_for_and_taken_back(
    kubernetes: Kubernetes, running: list[GrpcPod], serving: ControlPlane, kind: tuple[str, ...]
) -> None:
    async with client(kind, await serving.bootstrap("grpc")) as caller:
        await stood_in_for(kubernetes, running, caller, f"xds:///{PAYMENTS.target}", PAYMENTS.target)
    assert await serving.rejects() == 0


@needs_envoy
async def test_envoy_takes_the_fallback_when_the_control_plane_says_that_nobody_is_left(
    kubernetes: Kubernetes, running: list[GrpcPod], serving: ControlPlane, tmp_path: Path
) -> None:
    """Without health checks or outlier detection Envoy goes by what it is told."""
    async with started(serving, tmp_path) as proxy, client(STOCK_GRPC) as caller:
        target = await proxy.listener()
        await caller.until(only("pod-1", "pod-2"), target, 100, authority=PAYMENTS.target)
        kubernetes.put(PAYMENTS)
        await caller.until(only("pod-3", "pod-4"), target, authority=PAYMENTS.target)
    assert await serving.rejects() == 0
