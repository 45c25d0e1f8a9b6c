"""All kinds of client under load, while every Pod is replaced and the control plane restarts: no request fails."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.client import LIBRARY, NODE, STOCK_GRPC, Client, Tally, client, needs_node
from tests.e2e.control_plane import ControlPlane
from tests.e2e.envoy import envoy, needs_envoy
from tests.e2e.kubernetes import Kubernetes, Pod, Service, State, reserved_pods
from tests.e2e.pods import GrpcPod, grpc_pod
from tests.e2e.process import PATIENCE_S

PODS = 12
BATCH = 4
PAYMENTS = Service()
TARGET = f"xds:///{PAYMENTS.target}"

ENOUGH_CALLS = 4 * PODS
"""With how many calls a client that does not call a Pod has shown that it will not."""


class Fleet:
    """Clients of several kinds that call without end."""

    def __init__(self, loads: Mapping[str, tuple[Client, str]]) -> None:
        self._loads = loads

    async def begin(self) -> None:
        for caller, target in self._loads.values():
            await caller.until(lambda tally: not tally.errors, target, authority=PAYMENTS.target)
            await caller.begin(target, parallel=3, pause_s=0.03, authority=PAYMENTS.target)

    async def end(self) -> Mapping[str, Tally]:
        return {kind: await caller.end(target) for kind, (caller, target) in self._loads.items()}

    async def have_called(self, pods: Sequence[Pod]) -> None:
        """Return once every client has called every one of these Pods."""
        await _until(lambda tally: {pod.name for pod in pods} <= set(tally.answers), self._loads.values())

    async def leave_alone(self, pods: Sequence[Pod]) -> None:
        """Return once every client has made many calls without one to these Pods: what a Pod waits for before it ends."""

        def calls(tally: Tally) -> int:
            return sum(tally.answers.get(pod.name, 0) for pod in pods)

        async def left_alone(caller: Client, target: str) -> None:
            before = await caller.so_far(target)

            def settled(tally: Tally) -> bool:
                nonlocal before
                if calls(tally) > calls(before):
                    before = tally
                return tally.calls - before.calls >= ENOUGH_CALLS

            await _until(settled, [(caller, target)])

        await asyncio.gather(*(left_alone(*load) for load in self._loads.values()))


async def _until(holds: Callable[[Tally], bool], loads: Iterable[tuple[Client, str]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        for caller, target in loads:
            while not holds(await caller.so_far(target)):
                await asyncio.sleep(0.05)


class Deployment:
    """Twelve Pods, replaced a few at a time as Kubernetes does it."""

    def __init__(self, kubernetes: Kubernetes, places: Sequence[Pod]) -> None:
        self._kubernetes = kubernetes
        self._stack = AsyncExitStack()
        self._running: dict[str, GrpcPod] = {}
        self.old, self.new = places[:PODS], places[PODS:]
        self._serving = list(self.old)

    async def start(self, pods: Sequence[Pod]) -> None:
        for pod in pods:
            self._running[pod.name] = await self._stack.enter_async_context(grpc_pod(pod))

    def publish(self, *pods: Pod) -> None:
        self._kubernetes.put(PAYMENTS, *pods)

    async def replace(self, old: Sequence[Pod], new: Sequence[Pod], clients: Fleet) -> None:
        """New Pods are ready before old ones terminate; those serve until nobody calls them, and end when they are gone."""
        await self.start(new)
        rest = [pod for pod in self._serving if pod not in old]
        self.publish(*rest, *new, *(replace(pod, state=State.TERMINATING) for pod in old))
        await clients.leave_alone(old)
        self._serving = [*rest, *new]
        self.publish(*self._serving)
        await asyncio.gather(*(self._running[pod.name].stop() for pod in old))

    async def close(self) -> None:
        await self._stack.aclose()


@pytest.fixture
async def deployment(kubernetes: Kubernetes) -> AsyncIterator[Deployment]:
    with reserved_pods(2 * PODS) as places:
        pods = [Pod(f"pod-{n}", place.address, place.port, place.zone) for n, place in enumerate(places, start=1)]
        running = Deployment(kubernetes, pods)
        await running.start(running.old)
        running.publish(*running.old)
        yield running
        await running.close()


async def _one_of_each_kind(stack: AsyncExitStack, serving: ControlPlane, folder: Path) -> Fleet:
    printed = await serving.bootstrap("grpc")
    proxy = await stack.enter_async_context(
        envoy(folder, await serving.bootstrap("envoy", "--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0"))
    )
    kinds = {
        "library": (LIBRARY, printed, TARGET),
        "grpcio": (STOCK_GRPC, printed, TARGET),
        "grpc-js": (NODE, printed, TARGET),
        "envoy": (STOCK_GRPC, None, await proxy.listener()),
    }
    return Fleet(
        {
            kind: (await stack.enter_async_context(client(command, bootstrap)), target)
            for kind, (command, bootstrap, target) in kinds.items()
        }
    )


@needs_node
@needs_envoy
async def test_no_request_fails_while_every_pod_is_replaced_and_the_control_plane_restarts_three_times(
    deployment: Deployment, serving: ControlPlane, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        clients = await _one_of_each_kind(stack, serving, tmp_path)
        await clients.begin()
        await clients.have_called(deployment.old)
        for batch, restart in enumerate((serving.stop, serving.kill, serving.stop)):
            some = slice(batch * BATCH, (batch + 1) * BATCH)
            # Pods change while nobody serves: clients learn of it from the next control plane.
            await restart()
            replacing = asyncio.create_task(deployment.replace(deployment.old[some], deployment.new[some], clients))
            await serving.start()
            await replacing
        await clients.have_called(deployment.new)
        tallies = await clients.end()
    assert {kind: dict(tally.errors) for kind, tally in tallies.items()} == {kind: {} for kind in tallies}
    assert await serving.rejects() == 0
