"""One client of all contenders in its zone: answers with its calls."""

import time
from collections.abc import Mapping
from typing import Any

import grpc
import grpc.aio

import trimtab.aio

from .bench_fleet import TARGET
from .open_loop import OWN_CONNECTION, TIMEOUT_S, send, serve
from .open_loop import ROUND_ROBIN as IN_TURN
from .zones import OFF, ROUND_ROBIN


def channel(name: str, target: str) -> Any:
    if name == ROUND_ROBIN:
        return grpc.aio.insecure_channel(target, (*IN_TURN, *OWN_CONNECTION))
    policy = trimtab.Policy(zone="off") if name == OFF else None
    return trimtab.aio.channel(TARGET, control_plane=target, policy=policy)


async def measure(call: Any, settings: Mapping[str, Any], seed: str) -> list[tuple[float, float, str]]:
    """When each call started, how long it took, and who answered."""
    calls: list[tuple[float, float, str]] = []

    async def one(due_at: float, at_s: float) -> None:
        started_at = time.monotonic()
        try:
            zone = (await call(b"", timeout=TIMEOUT_S)).decode()
        except grpc.aio.AioRpcError:
            zone = ""
        calls.append((started_at, time.monotonic() - due_at, zone))

    await send(one, seed, settings["rate"], settings["duration_s"])
    return calls


if __name__ == "__main__":
    serve(channel, measure)
