"""Stock gRPC for Node.js, grpc-js with grpc-js-xds, through `xds:///`."""

import pytest

from tests.e2e.client import NODE, client, needs_node, only
from tests.e2e.control_plane import ControlPlane
from tests.e2e.kubernetes import NAMESPACE, Kubernetes, Pod, Service
from tests.e2e.pods import grpc_pod
from tests.e2e.served import group, served

pytestmark = needs_node

PAYMENTS = Service()
TARGET = f"xds:///{PAYMENTS.target}"


async def test_node_follows_the_topology_and_outlives_the_control_plane(
    kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod]
) -> None:
    kubernetes.put(PAYMENTS, *pods[:2])
    async with client(NODE, await serving.bootstrap("grpc")) as caller:
        await caller.until(only("pod-1", "pod-2"), TARGET)
        kubernetes.put(PAYMENTS, *pods[1:3])
        await caller.until(only("pod-2", "pod-3"), TARGET)
        assert await serving.rejects() == 0
        await serving.kill()
        assert not (await caller.call(TARGET, 200)).errors
        kubernetes.put(PAYMENTS, *pods[:1])
        await serving.start()
        await caller.until(only("pod-1"), TARGET)
    assert await serving.rejects() == 0


async def test_node_takes_the_forms_of_the_name_but_port_names(
    kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod]
) -> None:
    kubernetes.put(PAYMENTS, *pods[:1])
    async with client(NODE, await serving.bootstrap("grpc", "--namespace", "prod")) as caller:
        for form in ("payments.prod.svc.cluster.local:8080", "payments.prod", "payments"):
            await caller.until(only("pod-1"), f"xds:///{form}", count=1)
        # grpc-js makes a URL of the authority, and a URL's port is a number.
        await caller.until(lambda tally: "Invalid URL" in str(tally.errors), "xds:///payments.prod:grpc", count=1)


async def test_node_honours_locality_weights_and_priorities(reserved: list[Pod]) -> None:
    async with served() as control, grpc_pod(reserved[1]), grpc_pod(reserved[2]):
        control.put("weighted", group(reserved[1:2], weight=90), group(reserved[2:3], weight=10))
        control.put("fallback", group(reserved[:1]), group(reserved[1:2], priority=1))
        async with client(NODE, await control.bootstrap("grpc")) as caller:
            weighted = f"xds:///weighted.{NAMESPACE}:80"
            await caller.until(only("pod-2", "pod-3"), weighted, 100)
            # Six standard deviations of 1,000 draws.
            assert (await caller.call(weighted, 1000)).share("pod-2") == pytest.approx(0.9, abs=0.06)
            assert (await caller.call(f"xds:///fallback.{NAMESPACE}:80", 50)).answers == {"pod-2": 50}
        assert control.rejects() == 0
