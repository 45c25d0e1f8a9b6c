"""Services that are names for something outside of the cluster: Envoy and stock gRPC find it by DNS, on the control plane's word."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.client import LIBRARY, STOCK_GRPC, client, only
from tests.e2e.control_plane import ControlPlane
from tests.e2e.envoy import envoy, needs_envoy
from tests.e2e.kubernetes import NAMESPACE, Kubernetes, Pod
from tests.e2e.pods import grpc_pod

TARGET = f"database.{NAMESPACE}"


@pytest.fixture
async def port(kubernetes: Kubernetes) -> AsyncIterator[int]:
    """A server that only DNS knows, and a Service that names it."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        number = int(held.getsockname()[1])
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "database", "namespace": NAMESPACE},
            "spec": {
                "type": "ExternalName",
                "externalName": "localhost",
                "ports": [{"name": "grpc", "port": number}],
            },
        }
        (kubernetes.folder / "external.yaml").write_text(yaml.safe_dump(service))
        async with grpc_pod(Pod("outside", "127.0.0.1", number)):
            yield number


async def test_stock_grpc_finds_it(port: int, serving: ControlPlane) -> None:
    async with client(STOCK_GRPC, await serving.bootstrap("grpc")) as caller:
        await caller.until(only("outside"), f"xds:///{TARGET}:{port}", count=3)
    assert await serving.rejects() == 0


@needs_envoy
async def test_envoy_finds_it(port: int, serving: ControlPlane, tmp_path: Path) -> None:
    printed = await serving.bootstrap("envoy", "--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0")
    async with envoy(tmp_path, printed) as proxy, client(STOCK_GRPC) as caller:
        await caller.until(only("outside"), await proxy.listener(), authority=f"{TARGET}:{port}", count=3)
    assert await serving.rejects() == 0


async def test_our_own_client_says_where_to_go(port: int, serving: ControlPlane) -> None:
    """It connects to addresses that somebody vouches for; what DNS says is for `grpc.aio.insecure_channel` to follow."""
    async with client(LIBRARY, await serving.bootstrap("grpc")) as caller:
        (error,) = (await caller.call(f"{TARGET}:{port}")).errors
        assert f"ExternalName for localhost: it has no endpoints to balance; connect to localhost:{port}" in error
