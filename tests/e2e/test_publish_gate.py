"""What real clients make of faulty resources, and that nothing of the kind passes the publish gate."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from tests.client.eventually import eventually_async
from tests.e2e.client import NODE, STOCK_GRPC, Client, client, needs_node, only
from tests.e2e.envoy import Envoy, envoy, needs_envoy
from tests.e2e.kubernetes import NAMESPACE, Pod
from tests.e2e.process import PATIENCE_S
from tests.e2e.served import Served, group, served
from tests.e2e.spoilt import FAULTS, IGNORED, REFUSED, USED, before_the_gate

CLUSTERS_REFUSED = "^cluster_manager.cds.update_rejected$"
DATA_ERRORS = {"GRPC_EXPERIMENTAL_XDS_DATA_ERROR_HANDLING": "true"}


@pytest.fixture
async def control() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


def name_of(row: str) -> str:
    return f"{row}.{NAMESPACE}:80"


def serve_spoilt(control: Served, pods: list[Pod], row: str) -> None:
    fault = FAULTS[row]
    control.store.spoil(fault.type_url, name_of(row), fault.spoil)
    control.put(row, group(pods[:1]), group(pods[1:2]))


def serve_through_the_gate(control: Served, pods: list[Pod]) -> list[str]:
    rows = before_the_gate(pods)
    for row, groups in rows.items():
        control.put(row, *groups)
    return list(rows)


async def test_stock_grpc_refuses_what_the_gate_and_the_encoders_keep_from_it(control: Served, pods: list[Pod]) -> None:
    verdicts = {}
    async with client(STOCK_GRPC, await control.bootstrap("grpc"), **DATA_ERRORS) as caller:
        for row in FAULTS:
            serve_spoilt(control, pods, row)
            tally = await caller.call(f"xds:///{name_of(row)}")
            verdicts[row] = USED if tally.answers else REFUSED if "invalid resource" in str(tally.errors) else IGNORED
        expected = {row: fault.grpc for row, fault in FAULTS.items()}
        assert verdicts == expected
        await eventually_async(lambda: control.rejects() == list(expected.values()).count(REFUSED))


@pytest.mark.parametrize("kind", [STOCK_GRPC, pytest.param(NODE, marks=needs_node)], ids=["python", "node"])
async def test_grpc_takes_all_that_comes_through_the_gate(
    control: Served, pods: list[Pod], kind: tuple[str, ...]
) -> None:
    rows = serve_through_the_gate(control, pods)
    async with client(kind, await control.bootstrap("grpc")) as caller:
        for row in rows:
            await caller.until(only("pod-1", "pod-2"), f"xds:///{name_of(row)}", 20)
    assert control.rejects() == 0


@needs_envoy
async def test_envoy_refuses_what_the_gate_and_the_encoders_keep_from_it(
    control: Served, pods: list[Pod], tmp_path: Path
) -> None:
    expected = {row: fault.envoy for row, fault in FAULTS.items() if fault.envoy}
    verdicts = {}
    printed = await control.bootstrap("envoy", "--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0")
    async with envoy(tmp_path, printed) as proxy, client(STOCK_GRPC) as caller:
        # One after the other: what shares a response with a resource that is refused is lost with it.
        for row in expected:
            refused_before = await proxy.stats(CLUSTERS_REFUSED)
            serve_spoilt(control, pods, row)
            verdicts[row] = await _envoys_verdict(proxy, caller, row, refused_before)
    assert verdicts == expected


@needs_envoy
async def test_envoy_takes_all_that_comes_through_the_gate(control: Served, pods: list[Pod], tmp_path: Path) -> None:
    rows = serve_through_the_gate(control, pods)
    async with envoy(tmp_path, await control.bootstrap("envoy", "--admin", "127.0.0.1:0")) as proxy:
        for row in rows:
            hosts = {f"{pod.address}:{pod.port}" for pod in pods[:2]}
            if row == "priority-gap":
                hosts.add(f"{pods[2].address}:{pods[2].port}")
            await proxy.until_hosts(name_of(row), *hosts)
        assert not any((await proxy.stats("update_rejected$")).values())
    assert control.rejects() == 0


async def _envoys_verdict(proxy: Envoy, caller: Client, row: str, refused_before: Mapping[str, int]) -> str:
    prefix = f"cluster.{row}.{NAMESPACE}_80"
    async with asyncio.timeout(PATIENCE_S):
        while True:
            stats = await proxy.stats(f"^{prefix}.update_(rejected|success)$")
            if stats.get(f"{prefix}.update_rejected") or await proxy.stats(CLUSTERS_REFUSED) != refused_before:
                return REFUSED
            if stats.get(f"{prefix}.update_success"):
                tally = await caller.call(await proxy.listener(), authority=name_of(row))
                return USED if tally.answers else IGNORED
            await asyncio.sleep(0.02)
