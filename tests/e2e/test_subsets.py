"""Clients learn from a real control plane which of all clients they are, and use parts of a large service by it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest

import trimtab
from tests.client.eventually import eventually
from tests.e2e.control_plane import ControlPlane, control_plane
from tests.e2e.kubernetes import Kubernetes, Pod, Service
from trimtab.client.channel import SyncChannel

PAYMENTS = Service(policy={"subset": {"clients_per_endpoint": 1}})
Open = Callable[[str], SyncChannel]

# Nobody listens there; who is connected to is not what this is about.
PODS = [Pod(f"pod-{number}", f"127.0.1.{number}", 1) for number in range(1, 41)]


@pytest.fixture
async def serving(kubernetes: Kubernetes) -> AsyncIterator[ControlPlane]:
    async with control_plane(kubernetes.folder, "--census-warm-up", "0.1") as running:
        yield running


@pytest.fixture
def opened(serving: ControlPlane) -> Iterator[Open]:
    with ExitStack() as stack:

        def open_as(client: str) -> SyncChannel:
            server = {"server_uri": serving.xds, "channel_creds": [{"type": "insecure"}]}
            bootstrap = {"xds_servers": [server], "node": {"id": client}}
            return stack.enter_context(trimtab.channel(f"xds:///{PAYMENTS.target}", bootstrap=bootstrap))

        yield open_as


def used(channel: SyncChannel) -> set[str]:
    return {state.address for state in channel.explain()}


async def test_parts_follow_how_many_clients_there_are_and_outlive_the_control_plane(
    kubernetes: Kubernetes, serving: ControlPlane, opened: Open
) -> None:
    kubernetes.put(PAYMENTS, *PODS)
    first = opened("client-1")
    eventually(lambda: "1 clients are few" in first.explain().part)
    assert len(used(first)) == 40
    second = opened("client-2")
    eventually(lambda: len(used(first)) == len(used(second)) == 20)
    assert first.explain().part == "20 of 40 endpoints: 1 clients are to share an endpoint, and there are 2"
    assert len(used(first) | used(second)) > 30
    parts = used(first), used(second)
    await serving.kill()
    # Time for the clients to come back before anybody new is given a seat.
    serving.more = ("--census-warm-up", "8")
    await serving.start()
    while await serving.metric(r"trimtab_xds_streams\b") < 2:
        await asyncio.sleep(0.1)
    third = opened("client-3")
    eventually(lambda: len(used(third)) == 14)
    eventually(lambda: len(used(first)) == len(used(second)) == 14)
    assert used(first) < parts[0]
    assert used(second) < parts[1]
    assert len(used(first) | used(second) | used(third)) > 34
    assert await serving.rejects() == 0
