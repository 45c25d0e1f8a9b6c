"""Who weighs by load reports sends a fast pod more: gRPC's own weighted_round_robin and ours (gRFC A58), sync and asyncio.

Weights are capacity over latency, so that 5 ms against 100 ms must show, on a busy machine too.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
import pytest

import trimtab
import trimtab.aio
from tests.client.ads import AdsServer
from tests.serving.pod import KINDS, PATIENCE_S, Pod
from trimtab.model import Endpoint, Policy, WeightedRoundRobin
from trimtab.serving import Drain

METHOD = "/test.Echo/Call"
NAME = "echo.test:50051"
QUICK = Drain(quiet_s=0, limit_s=0, finish_s=5)
ALL_KINDS = pytest.mark.parametrize("kind", KINDS)
Calls = Callable[[], Awaitable[object]]


class Fleet:
    """A fast and a slow pod, and what each was asked."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._served = {"fast": 0, "slow": 0}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[Pod, Pod]]:
        start = KINDS[self._kind]
        async with (
            start({"Call": self._handler("fast", 0.005)}, drain=QUICK) as fast,
            start({"Call": self._handler("slow", 0.100)}, drain=QUICK) as slow,
        ):
            yield fast, slow

    async def until_the_fast_pod_is_preferred(self, call: Calls) -> None:
        """Three calls at a time; the slow pod must go on to get some."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self._served.update(fast=0, slow=0)
                for _ in range(10):
                    await asyncio.gather(*(call() for _ in range(3)))
                if self._served["slow"] and self._served["fast"] > 2 * self._served["slow"]:
                    return

    def _handler(self, name: str, latency_s: float) -> Any:
        async def aio_serve(request: bytes, context: object) -> bytes:
            self._served[name] += 1
            await asyncio.sleep(latency_s)
            return request

        def sync_serve(request: bytes, context: object) -> bytes:
            self._served[name] += 1
            time.sleep(latency_s)
            return request

        return aio_serve if self._kind == "aio" else sync_serve


@ALL_KINDS
@pytest.mark.parametrize("out_of_band", [False, True], ids=["per request", "out of band"])
async def test_grpcs_own_prefers_the_fast_pod(kind: str, out_of_band: bool) -> None:
    config = {
        "weighted_round_robin": {
            "blackoutPeriod": "0s",
            "weightUpdatePeriod": "0.1s",
            "enableOobLoadReport": out_of_band,
            "oobReportingPeriod": "0.1s",
        }
    }
    options = (("grpc.service_config", json.dumps({"loadBalancingConfig": [config]})),)
    fleet = Fleet(kind)
    async with (
        fleet.running() as (fast, slow),
        grpc.aio.insecure_channel(f"ipv4:{fast.address},{slow.address}", options=options) as channel,
    ):
        stub: Any = channel.unary_unary(METHOD)
        await fleet.until_the_fast_pod_is_preferred(lambda: stub(b"", wait_for_ready=True))


POLICY = Policy("weighted_round_robin", weighted_round_robin=WeightedRoundRobin(blackout_s=0, update_s=0.1))


@contextlib.asynccontextmanager
async def our_calls(world: str, ads: AdsServer) -> AsyncIterator[Calls]:
    """Calls on a channel of ours."""
    if world == "aio":
        async with trimtab.aio.channel(NAME, control_plane=ads.address, policy=POLICY) as aio_channel:
            aio_stub: Any = aio_channel.unary_unary(METHOD)
            yield lambda: aio_stub(b"", wait_for_ready=True)
    else:
        with trimtab.channel(NAME, control_plane=ads.address, policy=POLICY) as channel:
            stub: Any = channel.unary_unary(METHOD)
            yield lambda: asyncio.to_thread(stub, b"", wait_for_ready=True)


@ALL_KINDS
@pytest.mark.parametrize("world", ["aio", "sync"])
async def test_ours_prefers_the_fast_pod(kind: str, world: str) -> None:
    fleet = Fleet(kind)
    with AdsServer() as ads:
        async with fleet.running() as pods, our_calls(world, ads) as call:
            ads.assign(NAME, *(Endpoint("127.0.0.1", int(pod.address.rpartition(":")[2])) for pod in pods))
            await fleet.until_the_fast_pod_is_preferred(call)
