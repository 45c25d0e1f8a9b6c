"""Where clients send their calls, as far as locality weights and priorities tell them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.client import LIBRARY, STOCK_GRPC, Client, client, only
from tests.e2e.envoy import envoy, needs_envoy
from tests.e2e.kubernetes import NAMESPACE, Pod
from tests.e2e.pods import grpc_pod
from tests.e2e.served import Served, group, served, spoiling
from tests.xds.envoy_messages import endpoint_pb2
from trimtab.model import Health, LocalityEndpoints, Policy
from trimtab.xds.resource_type import ENDPOINTS

NAME = f"shop.{NAMESPACE}:80"
TARGET = f"xds:///{NAME}"
ZONES = ("zone-a", "zone-b", "zone-c")
"""Where the first three Pods are, one in each."""
both = pytest.mark.parametrize("kind", [STOCK_GRPC, LIBRARY], ids=["stock gRPC", "library"])


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


@both
async def test_when_all_local_pods_refuse_connections_no_call_is_lost(
    control: Served, reserved: list[Pod], kind: tuple[str, ...]
) -> None:
    _all_local(control, reserved)
    async with grpc_pod(reserved[1]), grpc_pod(reserved[2]), _in(ZONES[0], control, kind) as caller:
        tally = await caller.call(TARGET, 200)
        assert not tally.errors
        assert set(tally.answers) == {"pod-2", "pod-3"}


async def test_with_other_zones_at_weight_0_every_call_would_be_lost(control: Served, reserved: list[Pod]) -> None:
    _all_local(control, reserved)
    control.store.spoil(ENDPOINTS, NAME, spoiling(endpoint_pb2.ClusterLoadAssignment, _nothing_for_other_zones))
    async with grpc_pod(reserved[1]), grpc_pod(reserved[2]), _in(ZONES[0], control) as caller:
        assert not (await caller.call(TARGET, 20)).answers


@both
async def test_local_pods_that_are_gone_take_no_call_with_them(
    control: Served, reserved: list[Pod], kind: tuple[str, ...]
) -> None:
    _all_local(control, reserved)
    async with grpc_pod(reserved[1]), grpc_pod(reserved[2]), _in(ZONES[0], control, kind) as caller:
        async with grpc_pod(reserved[0]):
            await caller.until(only("pod-1"), TARGET, 100)
        # Still in the assignment, with a weight of 9,998 in 10,000.
        if kind == LIBRARY:
            # It picks a connection before it hears that it is gone, and does not call again by itself.
            await caller.until(only("pod-2", "pod-3"), TARGET)
        tally = await caller.call(TARGET, 200)
        assert not tally.errors
        assert set(tally.answers) == {"pod-2", "pod-3"}


@both
async def test_the_next_priority_takes_over_and_gives_back(
    control: Served, reserved: list[Pod], kind: tuple[str, ...]
) -> None:
    control.put("shop", group(reserved[:1]), group(reserved[1:2], priority=1))
    async with grpc_pod(reserved[1]), client(kind, await control.bootstrap("grpc")) as caller:
        assert (await caller.call(TARGET, 100)).answers == {"pod-2": 100}
        async with grpc_pod(reserved[0]):
            await caller.until(only("pod-1"), TARGET)
    assert control.rejects() == 0


@pytest.mark.parametrize(("kind", "stays"), [(STOCK_GRPC, 1.0), (LIBRARY, 0.7)], ids=["stock gRPC", "library"])
async def test_the_library_moves_calls_gradually_and_stock_grpc_all_at_once(
    control: Served, reserved: list[Pod], kind: tuple[str, ...], stays: float
) -> None:
    # Half of the first priority is listed as healthy, and nobody can connect to it.
    control.put("shop", *(group([pod]) for pod in reserved[:2]), group(reserved[2:3], priority=1))
    standing = ("pod-2",) if stays == 1 else ("pod-2", "pod-3")
    async with grpc_pod(reserved[1]), grpc_pod(reserved[2]), client(kind, await control.bootstrap("grpc")) as caller:
        await caller.until(only(*standing), TARGET, 100)
        assert (await caller.call(TARGET, 1000)).share("pod-2") == pytest.approx(stays, abs=0.07)


@both
async def test_draining_pods_move_no_calls_to_the_next_priority(
    control: Served, pods: list[Pod], kind: tuple[str, ...]
) -> None:
    control.put("shop", group(pods[:1]), _draining(pods[1]), group(pods[2:3], priority=1))
    async with client(kind, await control.bootstrap("grpc")) as caller:
        assert (await caller.call(TARGET, 200)).answers == {"pod-1": 200}


@needs_envoy
async def test_envoy_moves_calls_gradually_and_none_for_draining_pods(
    control: Served, reserved: list[Pod], tmp_path: Path
) -> None:
    # Half of the first priority is listed as healthy, and nobody can connect to it.
    outliers = Policy.from_mapping({"outlier_detection": {"consecutive_5xx": 1, "max_ejection_percent": 100}})
    spare = group(reserved[2:3], priority=1)
    control.put("lost", *(group([pod]) for pod in reserved[:2]), spare, policy=outliers)
    control.put("draining", group(reserved[1:2]), group(reserved[3:4]), spare)
    async with AsyncExitStack() as stack:
        for pod in reserved[1:4]:
            await stack.enter_async_context(grpc_pod(pod))
        where = ("--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0")
        proxy = await stack.enter_async_context(envoy(tmp_path, await control.bootstrap("envoy", *where)))
        caller = await stack.enter_async_context(client(STOCK_GRPC))
        listener = await proxy.listener()
        lost, draining = (f"{name}.{NAMESPACE}:80" for name in ("lost", "draining"))
        await caller.until(only("pod-2", "pod-4"), listener, 100, authority=draining)
        control.put("draining", group(reserved[1:2]), _draining(reserved[3]), spare)
        await caller.until(lambda tally: "pod-4" not in tally.answers, listener, 100, authority=draining)
        assert (await caller.call(listener, 200, authority=draining)).answers == {"pod-2": 200}
        await caller.until(only("pod-2", "pod-3"), listener, 100, authority=lost)
        tally = await caller.call(listener, 1000, authority=lost)
        assert tally.share("pod-2") == pytest.approx(0.7, abs=0.07)
    assert control.rejects() == 0


@needs_envoy
async def test_envoy_honours_weights_and_zones_and_fails_over(
    control: Served, reserved: list[Pod], tmp_path: Path
) -> None:
    control.census.warm()
    control.put("weighted", group(reserved[1:2], weight=90), group(reserved[2:3], weight=10))
    # Whom nobody can connect to is healthy for Envoy until outlier detection says otherwise.
    outliers = Policy.from_mapping({"outlier_detection": {"consecutive_5xx": 1, "max_ejection_percent": 100}})
    control.put("spare", group(reserved[:1]), group(reserved[1:2], priority=1), policy=outliers)
    control.put("empty")
    weighted, spare, empty = (f"{name}.{NAMESPACE}:80" for name in ("weighted", "spare", "empty"))
    where = ("--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--zone", ZONES[1])
    async with AsyncExitStack() as stack:
        for pod in reserved[1:3]:
            await stack.enter_async_context(grpc_pod(pod))
        proxy = await stack.enter_async_context(envoy(tmp_path, await control.bootstrap("envoy", *where)))
        caller = await stack.enter_async_context(client(STOCK_GRPC))
        listener = await proxy.listener()
        # Its zone has half of the Pods and, the only client, all clients: half of its calls stay.
        await caller.until(only("pod-2", "pod-3"), listener, 100, authority=weighted)
        tally = await caller.call(listener, 1000, authority=weighted)
        assert tally.share("pod-2") == pytest.approx(0.5, abs=0.08)
        # Until two more clients sit in the other zone.
        for _ in range(2):
            if control.census.joined(weighted, ZONES[2]):
                control.store.census_changed(weighted)
        await caller.until(lambda tally: tally.share("pod-2") > 0.95, listener, 200, authority=weighted)
        # Nobody listens where the first priority is.
        await caller.until(only("pod-2"), listener, authority=spare)
        nothing = await caller.call(listener, authority=empty)
        assert not nothing.answers
        assert nothing.slowest_s < 10
    assert control.rejects() == 0


def _draining(pod: Pod) -> LocalityEndpoints:
    whole = group([pod])
    return replace(whole, endpoints=tuple(replace(one, health=Health.DRAINING) for one in whole.endpoints))


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
async def _in(zone: str, control: Served, kind: tuple[str, ...] = STOCK_GRPC) -> AsyncIterator[Client]:
    """A client that says it is in `zone`."""
    async with client(kind, await control.bootstrap("grpc", "--zone", zone)) as caller:
        yield caller
