"""Weights from the Pods' own load reports: served policy, real control plane, real servers, our client in both worlds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import trimtab
from tests.e2e.control_plane import ControlPlane
from tests.e2e.kubernetes import Kubernetes, Pod, Service
from tests.e2e.process import PATIENCE_S
from tests.serving.pod import aio_pod
from trimtab import aio
from trimtab.balance import NodeState
from trimtab.client.channel import SyncChannel

SHOP = Service(
    "shop",
    policy={"strategy": "weighted_round_robin", "weighted_round_robin": {"blackout_s": 0.0, "update_s": 0.1}},
)
METHOD = "/test.Echo/Call"
FAST_S, SLOW_S = 0.005, 0.1
Call = Callable[[], Awaitable[object]]


@contextlib.asynccontextmanager
async def in_asyncio(serving: ControlPlane) -> AsyncIterator[tuple[aio.AioChannel, Call]]:
    async with aio.channel(SHOP.target, control_plane=serving.xds) as channel:
        stub = channel.unary_unary(METHOD)
        yield channel, lambda: stub(b"", timeout=PATIENCE_S, wait_for_ready=True)


@contextlib.asynccontextmanager
async def in_threads(serving: ControlPlane) -> AsyncIterator[tuple[SyncChannel, Call]]:
    channel = await asyncio.to_thread(trimtab.channel, SHOP.target, control_plane=serving.xds)
    stub = channel.unary_unary(METHOD)
    try:
        yield channel, lambda: asyncio.to_thread(stub, b"", timeout=PATIENCE_S, wait_for_ready=True)
    finally:
        await asyncio.to_thread(channel.close)


@pytest.mark.parametrize("world", [in_asyncio, in_threads])
async def test_pods_are_weighed_by_what_they_report_with_each_call(
    kubernetes: Kubernetes, serving: ControlPlane, world: Callable[[ControlPlane], Any]
) -> None:
    served = {"fast": 0, "slow": 0}

    def behaviour(name: str, latency_s: float) -> dict[str, Any]:
        async def call(request: bytes, context: object) -> bytes:
            served[name] += 1
            await asyncio.sleep(latency_s)
            return request

        return {"Call": call}

    async with aio_pod(behaviour("fast", FAST_S)) as fast, aio_pod(behaviour("slow", SLOW_S)) as slow:
        addresses = {"fast": fast.address, "slow": slow.address}
        kubernetes.put(SHOP, *(_pod(name, address) for name, address in addresses.items()))
        async with world(serving) as (channel, call), asyncio.timeout(PATIENCE_S):
            while True:
                served.update(fast=0, slow=0)
                for _ in range(10):
                    await asyncio.gather(*(call() for _ in range(3)))
                weights = _reported(channel.explain())
                # Capacity over latency: twenty times as much, on a machine that has time for it.
                if (
                    served["slow"]
                    and served["fast"] > 2 * served["slow"]
                    and weights[addresses["fast"]] > 2 * weights[addresses["slow"]] > 0
                ):
                    break


def _pod(name: str, address: str) -> Pod:
    host, _, port = address.rpartition(":")
    return Pod(name, host, int(port))


def _reported(states: tuple[NodeState, ...]) -> dict[str, float]:
    return {state.address: state.reported_weight or 0.0 for state in states}
