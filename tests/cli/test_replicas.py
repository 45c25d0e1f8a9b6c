"""Two control planes as processes of their own that tell each other of their clients."""

import asyncio
import contextlib
from pathlib import Path

from tests.cli.serving import command as serve_command
from tests.cli.serving import failing, serving
from tests.control.test_manifests import SERVICE
from tests.control.xds_client import XdsClient, until
from tests.xds.envoy_messages import discovery_pb2, endpoint_pb2

PAYMENTS = "payments.prod:8080"
SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: payments-1, namespace: prod, labels: {kubernetes.io/service-name: payments}}
addressType: IPv4
ports: [{name: grpc, port: 9090}]
endpoints:
- {addresses: [10.0.0.1], zone: a}
- {addresses: [10.0.0.2], zone: b}
- {addresses: [10.0.0.3], zone: c}
"""
CONTROL_PLANE = """
apiVersion: v1
kind: Service
metadata: {name: trimtab, namespace: system}
spec: {ports: [{name: xds, port: 18000}]}
"""
REPLICA = """
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: trimtab-PORT, namespace: system, labels: {kubernetes.io/service-name: trimtab}}
addressType: IPv4
ports: [{name: xds, port: PORT}]
endpoints: [{addresses: [127.0.0.1]}]
"""
ARGUMENTS = ("--peer-service", "trimtab.system:18000", "--census-warm-up", "0.1")


def weights(response: discovery_pb2.DiscoveryResponse) -> dict[str, int]:
    (resource,) = response.resources
    assignment = endpoint_pb2.ClusterLoadAssignment.FromString(resource.value)
    return {group.locality.zone: group.load_balancing_weight.value for group in assignment.endpoints}


class Follower:
    """A client that keeps what it was told last."""

    def __init__(self, client: XdsClient) -> None:
        self.last = discovery_pb2.DiscoveryResponse()
        self._task = asyncio.create_task(self._follow(client))

    async def _follow(self, client: XdsClient) -> None:
        while True:
            self.last = await client.response()

    @property
    def own_share(self) -> float:
        """The part of its requests that stays in zone `a`."""
        known = weights(self.last) if self.last.resources else {"a": 0, "b": 1}
        return known["a"] / sum(known.values())

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_replicas_with_the_same_state_and_clients_serve_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "payments.yaml").write_text(SERVICE + "---" + SLICE)
    async with contextlib.AsyncExitStack() as stack:
        replicas = [stack.enter_context(serving(tmp_path, *ARGUMENTS)) for _ in range(2)]
        ports = [replica.xds.rpartition(":")[2] for replica in replicas]
        (tmp_path / "trimtab.yaml").write_text(CONTROL_PLANE + "".join(REPLICA.replace("PORT", port) for port in ports))
        # The zones are even, but the first replica has clients of one zone alone: by itself it would keep a third there.
        clients = [
            [await stack.enter_async_context(XdsClient(replica.xds, PAYMENTS, zone=zone)) for zone in zones]
            for replica, zones in zip(replicas, ("aaaaaa", "abbbbbbcccccc"), strict=True)
        ]
        one, two = Follower(clients[0][0]), Follower(clients[1][0])
        stack.push_async_callback(one.stop)
        stack.push_async_callback(two.stop)
        await until(lambda: one.own_share > 0.75 and one.last.version_info == two.last.version_info)
        assert list(one.last.resources) == list(two.last.resources)


def test_peers_that_are_no_addresses_are_a_clear_error(tmp_path: Path) -> None:
    ended = failing(*serve_command(tmp_path, "--peers", "trimtab"))
    assert ended.returncode == 2
    assert ended.stderr.startswith("trimtab serve: --peers: expected HOST:PORT")


def test_a_peer_service_needs_a_namespace(tmp_path: Path) -> None:
    ended = failing(*serve_command(tmp_path, "--peer-service", "trimtab"))
    assert ended.returncode == 2
    assert ended.stderr == ("trimtab serve: --peer-service: 'trimtab' has no namespace; write trimtab.NAMESPACE:PORT\n")
