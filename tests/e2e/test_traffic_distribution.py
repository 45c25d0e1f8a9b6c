"""What a Service asks for in its own fields, as every kind of client honours it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.client import LIBRARY, STOCK_GRPC, Client, client, only
from tests.e2e.control_plane import ControlPlane
from tests.e2e.envoy import envoy, needs_envoy
from tests.e2e.kubernetes import Kubernetes, Pod, Service, node_name
from tests.e2e.pods import grpc_pod

SAME_ZONE = Service(spec={"trafficDistribution": "PreferSameZone"})
LOCAL = Service(spec={"internalTrafficPolicy": "Local"})
TARGET = f"xds:///{SAME_ZONE.target}"
KINDS = pytest.mark.parametrize("kind", [STOCK_GRPC, LIBRARY], ids=["stock gRPC", "our library"])


@asynccontextmanager
async def beside(pod: Pod, serving: ControlPlane, kind: tuple[str, ...]) -> AsyncIterator[Client]:
    """A client on the Node of a Pod."""
    async with client(kind, await serving.bootstrap("grpc", "--node-name", node_name(pod.zone))) as caller:
        yield caller


@KINDS
async def test_the_zone_is_kept_until_nobody_in_it_answers(
    kind: tuple[str, ...], kubernetes: Kubernetes, serving: ControlPlane, reserved: list[Pod]
) -> None:
    kubernetes.put(SAME_ZONE, *reserved[:3])
    async with grpc_pod(reserved[1]), grpc_pod(reserved[2]), beside(reserved[0], serving, kind) as caller:
        async with grpc_pod(reserved[0]):
            await caller.until(only("pod-1"), TARGET, 50)
        # Nobody was told that it is gone.
        await caller.until(only("pod-2", "pod-3"), TARGET, 50)
    assert await serving.rejects() == 0


@KINDS
async def test_local_calls_stay_on_the_node(
    kind: tuple[str, ...], kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod]
) -> None:
    kubernetes.put(LOCAL, *pods[:2])
    async with beside(pods[0], serving, kind) as caller, beside(pods[2], serving, kind) as elsewhere:
        await caller.until(only("pod-1"), TARGET, 50)
        assert not (await elsewhere.call(TARGET)).answers
    assert await serving.rejects() == 0


@needs_envoy
async def test_envoy_keeps_to_its_zone_too(
    kubernetes: Kubernetes, serving: ControlPlane, reserved: list[Pod], tmp_path: Path
) -> None:
    kubernetes.put(SAME_ZONE, *reserved[:3])
    identity = ("--node-name", node_name(reserved[0].zone))
    printed = await serving.bootstrap("envoy", "--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0", *identity)
    async with (
        grpc_pod(reserved[0]),
        grpc_pod(reserved[1]),
        grpc_pod(reserved[2]),
        envoy(tmp_path, printed) as proxy,
        client(STOCK_GRPC) as caller,
    ):
        await caller.until(only("pod-1"), await proxy.listener(), 50, authority=SAME_ZONE.target)
        hosts = await proxy.hosts(SAME_ZONE.target)
        # The others wait at the next priority.
        assert len(hosts) == 3
    assert await serving.rejects() == 0
