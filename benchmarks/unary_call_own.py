"""What our own code costs around a unary call: over connections that answer at once and do nothing else."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from trimtab.client.aio_calls import CALLS as AIO_CALLS
from trimtab.client.calls import CALLS as SYNC_CALLS
from trimtab.client.method import Method

from .contest import Measure, interleave
from .echo_server import METHOD
from .pick import ready_balancer

CALLS = 2_000
ROUNDS = 100
ENDPOINTS = 10
DECLARED = Method("unary_unary", METHOD, None, None)


async def run(console: Console) -> None:
    """The stub of either world, less the same connection called directly."""
    for world, connection, stubs in (("asyncio", _AioConnection, AIO_CALLS), ("sync", _SyncConnection, SYNC_CALLS)):
        balancer = ready_balancer(ENDPOINTS)
        for node in balancer.nodes:
            node.transport = SimpleNamespace(channel=connection())
        cluster = SimpleNamespace(pick=balancer.pick, wants_reports=False)
        stub: Any = stubs["unary_unary"](SimpleNamespace(cluster=cluster), DECLARED)
        contest = await interleave({"direct": _load(connection().unary_unary()), "trimtab": _load(stub)}, ROUNDS)
        own_us = contest.median("trimtab") - contest.median("direct")
        console.print(f"Our own code around one {world} call, alone: {own_us:.1f} µs CPU")


def _load(call: Callable[..., Any]) -> Measure:
    async def measure() -> float:
        started = time.process_time()
        for _ in range(CALLS):
            call(b"", wait_for_ready=True)
        return (time.process_time() - started) / CALLS * 1e6

    return measure


class _AioConnection:
    def unary_unary(self, *declared: object, **extra: object) -> Callable[..., Any]:
        def start(request: bytes, **options: object) -> _AioCall:
            return _AioCall()

        return start


class _AioCall:
    def __init__(self) -> None:
        self._cython_call = _EndedCore()


class _EndedCore:
    """What grpc.aio's calls are made around. This one ends as soon as somebody wants to know."""

    __slots__ = ()

    def add_done_callback(self, callback: Callable[[], None]) -> None:
        callback()

    def is_ok(self) -> bool:
        return True


class _SyncConnection:
    def unary_unary(self, *declared: object, **extra: object) -> Callable[..., Any]:
        return lambda request, **options: request
