"""One client of all contenders: measures the one that a line on stdin names, answers with its latencies."""

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
from .slow_pod import BASE, OURS, arrivals

_ROUND_ROBIN = (("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),)
_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)
_WARM_UP_S = 1.0
_TIMEOUT_S = 60.0


async def main(settings: dict[str, Any]) -> None:
    async with AsyncExitStack() as stack:
        calls = {}
        for name, target in settings["targets"].items():
            channel = await stack.enter_async_context(_channel(name, target))
            calls[name] = channel.unary_unary(METHOD)
            await calls[name](b"", wait_for_ready=True, timeout=_TIMEOUT_S)
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            asked = json.loads(line)
            seed = f"{asked['seed']}/{settings['index']}"
            latencies = await measure(calls[asked["contender"]], seed, settings["rate"], settings["duration_s"])
            sys.stdout.write(json.dumps(latencies) + "\n")
            sys.stdout.flush()


def _channel(name: str, target: str) -> Any:
    if name == OURS:
        return trimtab.aio.channel(TARGET, control_plane=target)
    return grpc.aio.insecure_channel(target, (*_OWN_CONNECTION, *(_ROUND_ROBIN if name == BASE else ())))


async def measure(call: Any, seed: str, rate: float, duration_s: float) -> list[float]:
    """Latencies of calls that arrive whether or not those before have ended; the first second is not counted."""
    latencies: list[float] = []

    async def one(at_s: float) -> None:
        # From when it should have been sent: a client that lags behind is no excuse.
        await call(b"", timeout=_TIMEOUT_S)
        if at_s >= _WARM_UP_S:
            latencies.append(time.monotonic() - started_at - at_s)

    started_at, tasks = time.monotonic(), []
    for at_s in arrivals(seed, rate, _WARM_UP_S + duration_s):
        if (wait_s := started_at + at_s - time.monotonic()) > 0:
            await asyncio.sleep(wait_s)
        tasks.append(asyncio.create_task(one(at_s)))
    await asyncio.gather(*tasks)
    return latencies


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
