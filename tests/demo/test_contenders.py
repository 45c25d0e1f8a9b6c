"""Contenders and pods over real connections: who gets the requests, and what a pod does with them."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc.aio
import pytest

from trimtab.demo import shop
from trimtab.demo.backends import Backends, running_backends
from trimtab.demo.contenders import CONTENDERS, Surroundings
from trimtab.demo.pod import reserved_pods
from trimtab.demo.workload import WORKERS_PER_POD


@pytest.fixture
async def backends(tmp_path: Path) -> AsyncIterator[Backends]:
    with reserved_pods(3) as pods:
        async with running_backends(pods, tmp_path) as running:
            yield running


def client(contender: str, backends: Backends, number: int = 0) -> grpc.aio.Channel:
    endpoints = [pod.authority for pod in backends.pods]
    return CONTENDERS[contender](Surroundings(number, seed=1, endpoints=endpoints, control_plane=None))


async def send(channel: grpc.aio.Channel, count: int, *, demand_s: float = 0.0, measured: bool = True) -> None:
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
        f"/{shop.GRPC_SERVICE}/{shop.GRPC_METHOD}"
    )
    order = shop.Order(demand_s, measured).encode()
    await asyncio.gather(*(call(order, timeout=60, wait_for_ready=True) for _ in range(count)))


async def received(backends: Backends) -> list[int]:
    return [report.received for report in (await backends.reports()).values()]


async def test_kube_proxy_keeps_a_connection_on_the_pod_it_drew(backends: Backends) -> None:
    async with client("kube-proxy", backends) as channel:
        await send(channel, 30)
    assert sorted(await received(backends)) == [0, 0, 30]


async def test_kube_proxy_draws_for_each_client_anew_and_alike_for_the_same_seed(backends: Backends) -> None:
    for _ in range(2):
        for number in range(12):
            async with client("kube-proxy", backends, number) as channel:
                await send(channel, 1)
    counts = await received(backends)
    assert all(counts)
    assert all(count % 2 == 0 for count in counts)


async def test_round_robin_takes_turns(backends: Backends) -> None:
    async with client("round-robin", backends) as channel:
        while not all(await received(backends)):
            await send(channel, 3)
        await backends.reset()
        await send(channel, 30)
    assert await received(backends) == [10, 10, 10]


async def test_a_pod_counts_only_measured_requests_and_forgets_them_on_reset(backends: Backends) -> None:
    async with client("kube-proxy", backends) as channel:
        await send(channel, 5, measured=False)
        await send(channel, 2)
    assert sum(await received(backends)) == 2
    await backends.reset()
    assert await received(backends) == [0, 0, 0]
    assert {report.first_served_at for report in (await backends.reports()).values()} == {None}


async def test_a_pod_queues_what_its_workers_cannot_take_and_a_slow_pod_takes_longer(backends: Backends) -> None:
    async with client("kube-proxy", backends) as channel:
        began = time.monotonic()
        await send(channel, WORKERS_PER_POD + 1, demand_s=0.1)
        assert time.monotonic() - began >= 0.2
        await backends.slow_down(3, factor=5)
        began = time.monotonic()
        await send(channel, 1, demand_s=0.1)
        assert time.monotonic() - began >= 0.5


async def test_the_first_answer_is_dated_on_the_clock_all_processes_share(backends: Backends) -> None:
    before = time.monotonic()
    async with client("kube-proxy", backends) as channel:
        await send(channel, 3)
    [first] = [report.first_served_at for report in (await backends.reports()).values() if report.first_served_at]
    assert before < first < time.monotonic()
