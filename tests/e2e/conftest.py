"""What every test of real clients needs: manifests, a control plane that serves them, and Pods."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.e2e.control_plane import ControlPlane, control_plane
from tests.e2e.kubernetes import Kubernetes, Pod, reserved_pods
from tests.e2e.pods import grpc_pod


@pytest.fixture
def kubernetes(tmp_path: Path) -> Kubernetes:
    folder = tmp_path / "manifests"
    folder.mkdir()
    return Kubernetes(folder)


@pytest.fixture
async def serving(kubernetes: Kubernetes) -> AsyncIterator[ControlPlane]:
    async with control_plane(kubernetes.folder) as running:
        yield running


@pytest.fixture
def reserved() -> Iterator[list[Pod]]:
    """Addresses of six Pods, in three zones, on which nobody listens yet."""
    with reserved_pods(6) as places:
        yield [
            Pod(f"pod-{number}", place.address, place.port, place.zone) for number, place in enumerate(places, start=1)
        ]


@pytest.fixture
async def pods(reserved: list[Pod]) -> AsyncIterator[list[Pod]]:
    """Six Pods that serve gRPC."""
    async with AsyncExitStack() as stack:
        for pod in reserved:
            await stack.enter_async_context(grpc_pod(pod))
        yield reserved
