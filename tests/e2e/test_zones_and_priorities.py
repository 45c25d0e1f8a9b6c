"""Where stock gRPC sends its calls, as far as locality weights and priorities tell it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tests.e2e.client import STOCK_GRPC, Client, client, only
from tests.e2e.kubernetes import NAMESPACE, Pod
from tests.e2e.pods import grpc_pod
from tests.e2e.served import Served, group, served, spoiling
from tests.xds.envoy_messages import endpoint_pb2
from trimtab.xds.resource_type import ENDPOINTS

NAME = f"shop.{NAMESPACE}:80"
TARGET = f"xds:///{NAME}"
ZONES = ("zone-a", "zone-b", "zone-c")
"""Where the first three Pods are, one in each."""


@pytest.fixture
async def control() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


async def test_locality_weights_are_honoured(control: Served, pods: list[Pod]) -> None:
    control.put("shop", group(pods[:1], weight=90), group(pods[1:2], weight=10))
    async with client(STOCK_GRPC, await control.bootstrap("grpc")) as caller:
        await caller.until(only("pod-1", "pod-2"), TARGET, 100)
        # Six standard deviations of 1,000 draws.
        assert (await caller.call(TARGET, 1000)).share("pod-1") == pytest.approx(0.9, abs=0.06)


async def test_each_zone_keeps_to_itself_once_the_census_knows_the_clients(control: Served, pods: list[Pod]) -> None:
    control.put("shop", *(group([pod]) for pod in pods[:3]))
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(_in(zone, control)) for zone in ZONES]
        for caller in callers:
            await caller.until(only("pod-1", "pod-2", "pod-3"), TARGET)
        for service in control.census.warm():
            control.store.census_changed(service)
        for caller, local in zip(callers, ("pod-1", "pod-2", "pod-3"), strict=True):
            await caller.until(only(local), TARGET, 100)
            assert (await caller.call(TARGET, 300)).share(local) > 0.98
    assert control.rejects() == 0


async def test_when_all_local_pods_refuse_connections_no_call_is_lost(control: Served, reserved: list[Pod]) -> None:
    _all_local(control, reserved)
    async with grpc_pod(reserved[1]), grpc_pod(reserved[2]), _in(ZONES[0], control) as caller:
        tally = await caller.call(TARGET, 200)
        assert not tally.errors
        assert set(tally.answers) == {"pod-2", "pod-3"}


async def test_with_other_zones_at_weight_0_every_call_would_be_lost(control: Served, reserved: list[Pod]) -> None:
    _all_local(control, reserved)
    control.store.spoil(ENDPOINTS, NAME, spoiling(endpoint_pb2.ClusterLoadAssignment, _nothing_for_other_zones))
    async with grpc_pod(reserved[1]), grpc_pod(reserved[2]), _in(ZONES[0], control) as caller:
        assert not (await caller.call(TARGET, 20)).answers


async def test_local_pods_that_are_gone_take_no_call_with_them(control: Served, reserved: list[Pod]) -> None:
    _all_local(control, reserved)
    async with grpc_pod(reserved[1]), grpc_pod(reserved[2]), _in(ZONES[0], control) as caller:
        async with grpc_pod(reserved[0]):
            await caller.until(only("pod-1"), TARGET, 100)
        # Still in the assignment, with a weight of 9,998 in 10,000.
        tally = await caller.call(TARGET, 200)
        assert not tally.errors
        assert set(tally.answers) == {"pod-2", "pod-3"}


async def test_the_next_priority_takes_over_and_gives_back(control: Served, reserved: list[Pod]) -> None:
    control.put("shop", group(reserved[:1]), group(reserved[1:2], priority=1))
    async with grpc_pod(reserved[1]), client(STOCK_GRPC, await control.bootstrap("grpc")) as caller:
        assert (await caller.call(TARGET, 100)).answers == {"pod-2": 100}
        async with grpc_pod(reserved[0]):
            await caller.until(only("pod-1"), TARGET)
    assert control.rejects() == 0


def _all_local(control: Served, reserved: list[Pod]) -> None:
    """Three Pods in three zones, and as many clients in each zone: all traffic is to stay local."""
    control.census.warm()
    for zone in ZONES[1:]:
        control.census.joined(NAME, zone)
    control.put("shop", *(group([pod]) for pod in reserved[:3]))


def _nothing_for_other_zones(assignment: Any) -> None:
    local = [locality for locality in assignment.endpoints if locality.locality.zone == ZONES[0]]
    del assignment.endpoints[:]
    assignment.endpoints.extend(local)


@asynccontextmanager
async def _in(zone: str, control: Served) -> AsyncIterator[Client]:
    """A client that says it is in `zone`."""
    async with client(STOCK_GRPC, await control.bootstrap("grpc", "--zone", zone)) as caller:
        yield caller
