"""CPU that one unary call costs the client, beside plain grpc channels."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc
from rich.console import Console

import trimtab
import trimtab.aio

from . import unary_call_own
from .bench_fleet import TARGET, BenchFleet, bench_fleet
from .contest import Measure, interleave
from .echo_server import METHOD
from .report import print_contest

CONCURRENCY = 50
# Many short rounds: what else the machine does changes more slowly than contenders take turns.
CALLS = 400
ROUNDS = 200
# Rounds differ by a seventh. To tell one per cent from two, where one backend is called from asyncio, takes some more of them.
MANY_ROUNDS = 800
PAYLOAD = b"x" * 100
# Without it two channels to one address share a connection, and with it each other's load.
OWN_CONNECTION: Sequence[tuple[str, object]] = [("grpc.use_local_subchannel_pool", 1)]
ROUND_ROBIN = [*OWN_CONNECTION, ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}')]


async def run(console: Console) -> None:
    """One backend against a plain channel; ten backends against grpcio's round_robin; our own code alone."""
    with bench_fleet(1) as fleet:
        await _asyncio(console, "asyncio unary call, one backend", fleet, "plain grpc.aio", OWN_CONNECTION, MANY_ROUNDS)
        await _sync(console, fleet)
    with bench_fleet(10) as fleet:
        await _asyncio(console, "asyncio unary call, ten backends", fleet, "grpcio round_robin", ROUND_ROBIN, ROUNDS)
    await unary_call_own.run(console)


async def _asyncio(
    console: Console,
    title: str,
    fleet: BenchFleet,
    baseline: str,
    options: Sequence[tuple[str, object]],
    rounds: int,
) -> None:
    addresses = _addresses(fleet)
    async with (
        grpc.aio.insecure_channel(addresses, options=options) as plain,
        grpc.aio.insecure_channel(addresses, options=options) as again,
        trimtab.aio.channel(TARGET, control_plane=fleet.control_plane, options=OWN_CONNECTION) as ours,
    ):
        contenders = {
            baseline: _asyncio_load(plain),
            f"{baseline}, again": _asyncio_load(again),
            "trimtab.aio": _asyncio_load(ours),
        }
        contest = await interleave(contenders, rounds)
    print_contest(console, f"{title}, concurrency {CONCURRENCY}", "µs CPU per call", contest, baseline)


async def _sync(console: Console, fleet: BenchFleet) -> None:
    baseline = "plain grpc"
    with (
        grpc.insecure_channel(_addresses(fleet), options=OWN_CONNECTION) as plain,
        grpc.insecure_channel(_addresses(fleet), options=OWN_CONNECTION) as again,
        trimtab.channel(TARGET, control_plane=fleet.control_plane, options=OWN_CONNECTION) as ours,
        ThreadPoolExecutor(CONCURRENCY) as threads,
    ):
        contenders = {
            baseline: _sync_load(plain, threads),
            f"{baseline}, again": _sync_load(again, threads),
            "trimtab": _sync_load(ours, threads),
        }
        contest = await interleave(contenders, ROUNDS)
    title = f"sync unary call, one backend, {CONCURRENCY} threads"
    print_contest(console, title, "µs CPU per call", contest, baseline)


def _asyncio_load(channel: grpc.aio.Channel) -> Measure:
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)

    async def caller() -> None:
        for _ in range(CALLS // CONCURRENCY):
            await call(PAYLOAD, wait_for_ready=True)

    async def measure() -> float:
        started = time.process_time()
        await asyncio.gather(*(caller() for _ in range(CONCURRENCY)))
        return (time.process_time() - started) / CALLS * 1e6

    return measure


def _sync_load(channel: grpc.Channel, threads: ThreadPoolExecutor) -> Measure:
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)

    def caller(_: int) -> None:
        for _ in range(CALLS // CONCURRENCY):
            call(PAYLOAD, wait_for_ready=True)

    async def measure() -> float:
        started = time.process_time()
        list(threads.map(caller, range(CONCURRENCY)))
        return (time.process_time() - started) / CALLS * 1e6

    return measure


def _addresses(fleet: BenchFleet) -> str:
    return "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in fleet.ports)
