"""One client of all contenders: answers with its latencies."""

import time
from collections.abc import Mapping
from typing import Any

import grpc.aio

import trimtab.aio

from .bench_fleet import TARGET
from .open_loop import OWN_CONNECTION, ROUND_ROBIN, TIMEOUT_S, send, serve
from .slow_pod import BASE, OURS

_WARM_UP_S = 1.0


def channel(name: str, target: str) -> Any:
    if name == OURS:
        return trimtab.aio.channel(TARGET, control_plane=target)
    return grpc.aio.insecure_channel(target, (*OWN_CONNECTION, *(ROUND_ROBIN if name == BASE else ())))


async def measure(call: Any, settings: Mapping[str, Any], seed: str) -> list[float]:
    """Latencies; the first second is not counted."""
    latencies: list[float] = []

    async def one(due_at: float, at_s: float) -> None:
        await call(b"", timeout=TIMEOUT_S)
        if at_s >= _WARM_UP_S:
            latencies.append(time.monotonic() - due_at)

    await send(one, seed, settings["rate"], _WARM_UP_S + settings["duration_s"])
    return latencies


if __name__ == "__main__":
    serve(channel, measure)
