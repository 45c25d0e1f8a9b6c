"""One switch turns a service back to plain DNS, for every kind of client, and no call is lost on the way there and back."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.e2e.client import LIBRARY, STOCK_GRPC, Tally, client, only
from tests.e2e.control_plane import ControlPlane
from tests.e2e.kubernetes import Kubernetes, Pod, Service

PAYMENTS = Service()
TARGET = f"xds:///{PAYMENTS.target}"


def has(*names: str) -> Callable[[Tally], bool]:
    return lambda tally: set(names) <= set(tally.answers)


@pytest.mark.parametrize("kind", [STOCK_GRPC, LIBRARY], ids=["stock gRPC", "library"])
async def test_there_and_back(
    kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod], kind: tuple[str, ...]
) -> None:
    by_dns = pods[5]
    passing = replace(PAYMENTS, policy={"mode": "passthrough", "dns": f"{by_dns.address}:{by_dns.port}"})
    kubernetes.put(PAYMENTS, *pods[:3])
    async with client(kind, await serving.bootstrap("grpc")) as caller:
        await caller.until(only("pod-1", "pod-2", "pod-3"), TARGET)
        await caller.begin(TARGET)
        kubernetes.put(passing, *pods[:3])
        await caller.until(only("pod-6"), TARGET)
        kubernetes.put(PAYMENTS, *pods[1:4])
        await caller.until(only("pod-2", "pod-3", "pod-4"), TARGET)
        everything = await caller.end(TARGET)
    assert not everything.errors
    assert has("pod-1", "pod-6", "pod-4")(everything)
    assert await serving.rejects() == 0
