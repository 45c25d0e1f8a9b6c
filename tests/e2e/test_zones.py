"""The client library in three zones: real processes, of which a zone's are killed."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.e2e.client import LIBRARY, Client, Tally, client
from tests.e2e.kubernetes import NAMESPACE, Pod
from tests.e2e.pod_process import pod_process
from tests.e2e.pods import grpc_pod
from tests.e2e.served import Served, group, served

NAME = f"shop.{NAMESPACE}:80"
TARGET = f"xds:///{NAME}"
ZONES = ("zone-a", "zone-b", "zone-c")
"""Where the first three Pods are, one in each, and the next three."""
PARALLEL = 4


@pytest.fixture
async def control() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


async def test_each_zone_keeps_to_itself(control: Served, pods: list[Pod]) -> None:
    control.put("shop", *(group([pod]) for pod in pods[:3]))
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(_in(zone, control)) for zone in ZONES]
        for caller in callers:
            await caller.until(lambda tally: len(tally.answers) == 3, TARGET)
        for service in control.census.warm():
            control.store.census_changed(service)
        for caller, local in zip(callers, ("pod-1", "pod-2", "pod-3"), strict=True):
            await caller.until(_mostly(local), TARGET, 200)
    assert control.rejects() == 0


async def test_when_all_local_pods_refuse_connections_no_call_is_lost(control: Served, reserved: list[Pod]) -> None:
    _all_local(control, reserved)
    async with grpc_pod(reserved[1]), grpc_pod(reserved[2]), _in(ZONES[0], control) as caller:
        tally = await caller.call(TARGET, 200)
        assert not tally.errors
        assert set(tally.answers) == {"pod-2", "pod-3"}


async def test_a_zone_that_is_killed_loses_what_is_under_way_there_and_no_more(
    control: Served, reserved: list[Pod]
) -> None:
    _all_local(control, reserved)
    async with (
        grpc_pod(reserved[1]),
        grpc_pod(reserved[2]),
        pod_process(reserved[0]) as local,
        _in(ZONES[0], control) as caller,
    ):
        await caller.until(_mostly("pod-1"), TARGET, 200)
        await caller.begin(TARGET, parallel=PARALLEL, pause_s=0.0)
        await caller.reach(TARGET, 100, "pod-1")
        local.kill()
        await local.wait()
        # Nobody takes the Pod out of the assignment: connections have to notice.
        await caller.reach(TARGET, 100, "pod-2", "pod-3")
        lost = await caller.so_far(TARGET)
        await caller.reach(TARGET, 300, "pod-2", "pod-3")
        tally = await caller.end(TARGET)
    # Each of those who call has one call in flight, and may send the next ones before the client knows that nobody listens.
    assert sum(lost.errors.values()) <= 3 * PARALLEL, lost
    assert all(error.startswith("UNAVAILABLE") for error in lost.errors)
    assert tally.errors == lost.errors, "calls were lost after the connection was known to be broken"
    assert control.rejects() == 0


def _all_local(control: Served, reserved: list[Pod]) -> None:
    """Three Pods in three zones, and as many clients in each zone: all traffic is to stay local."""
    control.census.warm()
    for zone in ZONES[1:]:
        control.census.joined(NAME, zone)
    control.put("shop", *(group([pod]) for pod in reserved[:3]))


@asynccontextmanager
async def _in(zone: str, control: Served) -> AsyncIterator[Client]:
    """A client that says it is in `zone`."""
    async with client(LIBRARY, await control.bootstrap("grpc", "--zone", zone)) as caller:
        yield caller


def _mostly(name: str) -> Callable[[Tally], bool]:
    """This Pod answers nearly all calls."""
    return lambda tally: tally.share(name) > 0.95
