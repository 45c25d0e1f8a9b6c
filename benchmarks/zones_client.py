"""One client of all contenders: measures the one that a line on stdin names, answers with its calls."""

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from typing import Any

import grpc
import grpc.aio

import trimtab.aio

from .bench_fleet import TARGET
from .echo_server import METHOD
from .slow_pod import arrivals
from .zones import OFF, ROUND_ROBIN

_TIMEOUT_S = 60.0


async def main(settings: dict[str, Any]) -> None:
    async with AsyncExitStack() as stack:
        calls = {}
        for name, target in settings["targets"].items():
            channel = await stack.enter_async_context(_channel(name, target))
            calls[name] = channel.unary_unary(METHOD)
            await calls[name](b"", wait_for_ready=True, timeout=_TIMEOUT_S)
        sys.stdout.write("connected\n")
        sys.stdout.flush()
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            asked = json.loads(line)
            seed = f"{asked['seed']}/{settings['name']}"
            measured = await measure(calls[asked["contender"]], seed, settings["rate"], settings["duration_s"])
            sys.stdout.write(json.dumps(measured) + "\n")
            sys.stdout.flush()


def _channel(name: str, target: str) -> Any:
    if name == ROUND_ROBIN:
        config = '{"loadBalancingConfig": [{"round_robin": {}}]}'
        return grpc.aio.insecure_channel(
            target, (("grpc.service_config", config), ("grpc.use_local_subchannel_pool", 1))
        )
    policy = trimtab.Policy(zone="off") if name == OFF else None
    return trimtab.aio.channel(TARGET, control_plane=target, policy=policy)


async def measure(call: Any, seed: str, rate: float, duration_s: float) -> list[tuple[float, float, str]]:
    """When each call started, how long it took, and who answered. Calls arrive whether or not those before have ended."""
    calls: list[tuple[float, float, str]] = []

    async def one(due_at: float) -> None:
        started_at = time.monotonic()
        try:
            zone = (await call(b"", timeout=_TIMEOUT_S)).decode()
        except grpc.aio.AioRpcError:
            zone = ""
        # From when it should have been sent: a client that lags behind is no excuse.
        calls.append((started_at, time.monotonic() - due_at, zone))

    begun_at, tasks = time.monotonic(), []
    for at_s in arrivals(seed, rate, duration_s):
        if (wait_s := begun_at + at_s - time.monotonic()) > 0:
            await asyncio.sleep(wait_s)
        tasks.append(asyncio.create_task(one(begun_at + at_s)))
    await asyncio.gather(*tasks)
    return calls


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
