"""One switch turns a service back to plain DNS, for every kind of client, and no call is lost on the way there and back."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.client import LIBRARY, STOCK_GRPC, Client, client, only
from tests.e2e.control_plane import ControlPlane
from tests.e2e.envoy import needs_envoy
from tests.e2e.kubernetes import Kubernetes, Pod, Service
from tests.e2e.test_envoy import started

PAYMENTS = Service()


def passing(pod: Pod) -> Service:
    """Where DNS leads to this Pod."""
    return replace(PAYMENTS, policy={"mode": "passthrough", "dns": f"{pod.address}:{pod.port}"})


async def there_and_back(kubernetes: Kubernetes, pods: list[Pod], caller: Client, target: str, authority: str) -> None:
    """Under way all the time."""
    await caller.until(only("pod-1", "pod-2", "pod-3"), target, authority=authority)
    await caller.begin(target, authority=authority)
    kubernetes.put(passing(pods[5]), *pods[:3])
    await caller.until(only("pod-6"), target, authority=authority)
    kubernetes.put(PAYMENTS, *pods[1:4])
    await caller.until(only("pod-2", "pod-3", "pod-4"), target, authority=authority)
    everything = await caller.end(target)
    assert not everything.errors
    assert "pod-6" in everything.answers


@pytest.mark.parametrize("kind", [STOCK_GRPC, LIBRARY], ids=["stock gRPC", "library"])
async def test_a_service_goes_back_to_plain_dns_and_returns(
    kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod], kind: tuple[str, ...]
) -> None:
    kubernetes.put(PAYMENTS, *pods[:3])
    async with client(kind, await serving.bootstrap("grpc")) as caller:
        await there_and_back(kubernetes, pods, caller, f"xds:///{PAYMENTS.target}", PAYMENTS.target)
    assert await serving.rejects() == 0


@needs_envoy
async def test_and_so_it_does_behind_envoy(
    kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod], tmp_path: Path
) -> None:
    kubernetes.put(PAYMENTS, *pods[:3])
    async with started(serving, tmp_path) as proxy, client(STOCK_GRPC) as caller:
        await there_and_back(kubernetes, pods, caller, await proxy.listener(), PAYMENTS.target)
    assert await serving.rejects() == 0
