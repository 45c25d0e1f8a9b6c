"""The control plane dies while traffic flows: nobody notices, and what changed meanwhile is picked up when it is back."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import grpc
import pytest

import trimtab
from tests.cli.serving import Serving, serving
from tests.client.backends import Backend
from tests.client.eventually import eventually
from tests.client.service import ECHO
from tests.ports import HeldPort
from trimtab import aio
from trimtab.client.aio_channel import AioChannel
from trimtab.client.channel import SyncChannel
from trimtab.client.cluster import Cluster

TARGET = "xds:///shop.prod:8080"
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: prod}
spec: {selector: {app: shop}, ports: [{name: grpc, port: 8080, protocol: TCP}]}
"""
# A slice has one list of ports for all its endpoints, and here every endpoint has a port of its own.
SLICE = """
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: shop-{port}, namespace: prod, labels: {{kubernetes.io/service-name: shop}}}}
addressType: IPv4
ports: [{{name: grpc, port: {port}, protocol: TCP}}]
endpoints: [{{addresses: [127.0.0.1], conditions: {{ready: true}}}}]
"""


def deploy(manifests: Path, backends: Sequence[Backend]) -> None:
    """The service consists of `backends` from now on."""
    draft = manifests / "cluster.draft"
    draft.write_text(SERVICE + "".join(SLICE.format(port=backend.port) for backend in backends))
    draft.replace(manifests / "cluster.yaml")


class Traffic:
    """Calls without a pause from both worlds, each in a thread of its own, until the end."""

    def __init__(self, control_plane: str) -> None:
        self.sync_channel = trimtab.channel(TARGET, control_plane=control_plane)
        self.aio_channel: AioChannel | None = None
        self.answered = {"sync": 0, "aio": 0}
        self.failures: list[Exception] = []
        self._control_plane = control_plane
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._call, args=(self.sync_channel,)),
            threading.Thread(target=lambda: asyncio.run(self._call_aio())),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def clusters(self) -> tuple[Cluster, Cluster]:
        eventually(lambda: self.aio_channel is not None)
        assert self.aio_channel is not None
        return self.sync_channel.cluster, self.aio_channel.cluster

    def goes_on(self, calls: int = 50) -> None:
        """Return after at least this many more answers in both worlds."""
        before = dict(self.answered)
        eventually(lambda: all(self.answered[world] >= before[world] + calls for world in before))

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _call(self, channel: SyncChannel) -> None:
        echo = channel.unary_unary(ECHO)
        with channel:
            while not self._over.is_set():
                try:
                    assert echo(b"who", timeout=60)
                    self.answered["sync"] += 1
                except (grpc.RpcError, AssertionError) as error:
                    self.failures.append(error)

    async def _call_aio(self) -> None:
        async with aio.channel(TARGET, control_plane=self._control_plane) as channel:
            self.aio_channel = channel
            await asyncio.gather(*(self._call_one_by_one(channel) for _ in range(4)))

    async def _call_one_by_one(self, channel: AioChannel) -> None:
        echo = channel.unary_unary(ECHO)
        while not self._over.is_set():
            try:
                assert await echo(b"who", timeout=60)
                self.answered["aio"] += 1
            except (grpc.RpcError, AssertionError) as error:
                self.failures.append(error)


def knows(cluster: Cluster, backend: Backend) -> bool:
    return any(node.endpoint.port == backend.port for node in cluster.nodes)


@pytest.fixture
def held_port() -> Iterator[HeldPort]:
    """Where the control plane is, before and after."""
    with HeldPort() as held:
        yield held


@pytest.fixture
def backends() -> Iterator[list[Backend]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Backend()) for _ in range(4)]


@pytest.fixture
def traffic() -> Iterator[Callable[[Serving], Traffic]]:
    started: list[Traffic] = []

    def start(running: Serving) -> Traffic:
        started.append(Traffic(running.xds))
        return started[-1]

    yield start
    for one in started:
        one.end()


def test_a_killed_control_plane_costs_no_request_and_no_state(
    tmp_path: Path, held_port: HeldPort, backends: list[Backend], traffic: Callable[[Serving], Traffic]
) -> None:
    leaving, *staying, joining = backends
    deploy(tmp_path, [leaving, *staying])
    with serving(tmp_path, listen=held_port.address) as running:
        flowing = traffic(running)
        flowing.goes_on()
        before = [{node.endpoint.port: node for node in cluster.nodes} for cluster in flowing.clusters]
        assert [len(nodes) for nodes in before] == [3, 3]
        running.process.kill()
        running.process.wait()
    eventually(lambda: not any(cluster.control_plane_answers for cluster in flowing.clusters))
    flowing.goes_on()
    for cluster, nodes in zip(flowing.clusters, before, strict=True):
        assert set(cluster.nodes) == set(nodes.values())

    deploy(tmp_path, [*staying, joining])
    with serving(tmp_path, listen=running.xds):
        for cluster in flowing.clusters:
            eventually(partial(knows, cluster, joining))
        eventually(lambda: joining.calls > 0)
        flowing.goes_on()
        for cluster, nodes in zip(flowing.clusters, before, strict=True):
            now = {node.endpoint.port: node for node in cluster.nodes}
            assert set(now) == {backend.port for backend in (*staying, joining)}
            assert all(now[backend.port] is nodes[backend.port] for backend in staying)
        flowing.end()
    assert flowing.failures == []
    # Nobody was reconnected to: a connection per endpoint and world, shared where both worlds are in one process.
    assert all(1 <= len(backend.peers) <= 2 for backend in backends)
