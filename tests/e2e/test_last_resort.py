"""Pods that terminate and still serve take calls where nothing else is ready, from every kind of client."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.client import LIBRARY, STOCK_GRPC, Client, client, only
from tests.e2e.control_plane import ControlPlane
from tests.e2e.envoy import envoy, needs_envoy
from tests.e2e.kubernetes import Kubernetes, Pod, Service, State

PAYMENTS = Service()


@pytest.fixture
def leaving(kubernetes: Kubernetes, pods: list[Pod]) -> Pod:
    """A Pod that terminates and still serves, while the one that replaces it is not ready yet."""
    terminating = replace(pods[0], state=State.TERMINATING)
    kubernetes.put(PAYMENTS, terminating, replace(pods[1], state=State.STARTING))
    return terminating


async def is_called_until_replaced(
    leaving: Pod, kubernetes: Kubernetes, pods: list[Pod], caller: Client, target: str, **more: str
) -> None:
    await caller.until(only("pod-1"), target, count=5, **more)
    kubernetes.put(PAYMENTS, leaving, pods[1])
    await caller.until(only("pod-2"), target, count=5, **more)


@pytest.mark.parametrize("kind", [STOCK_GRPC, LIBRARY], ids=["stock gRPC", "our library"])
async def test_grpc_clients_call_it(
    kind: tuple[str, ...], leaving: Pod, kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod]
) -> None:
    async with client(kind, await serving.bootstrap("grpc")) as caller:
        await is_called_until_replaced(leaving, kubernetes, pods, caller, f"xds:///{PAYMENTS.target}")


@needs_envoy
async def test_envoy_calls_it(
    leaving: Pod, kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod], tmp_path: Path
) -> None:
    printed = await serving.bootstrap("envoy", "--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0")
    async with envoy(tmp_path, printed) as proxy, client(STOCK_GRPC) as caller:
        await is_called_until_replaced(
            leaving, kubernetes, pods, caller, await proxy.listener(), authority=PAYMENTS.target
        )
