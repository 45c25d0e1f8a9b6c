"""The inside of a client process: calls the contender that a line on stdin names, and answers with what it measured.

Calls are sent when they are due, whether or not those before have ended, and timed from then: neither a busy server nor a client
that lags behind is an excuse.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

from .echo_server import METHOD

TIMEOUT_S = 60.0
ROUND_ROBIN = (("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),)
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)

Open = Callable[[str, str], Any]
"""A channel for a contender's name and target."""
Measure = Callable[[Any, Mapping[str, Any], str], Awaitable[list[Any]]]
"""What calls of a method come to, sent with these settings and this seed."""


def serve(open_: Open, measure: Measure) -> None:
    """Be the client that `client` starts."""
    asyncio.run(_serve(json.loads(sys.argv[1]), open_, measure))


async def _serve(settings: Mapping[str, Any], open_: Open, measure: Measure) -> None:
    async with AsyncExitStack() as stack:
        calls = {}
        for name, target in settings["targets"].items():
            channel = await stack.enter_async_context(open_(name, target))
            calls[name] = channel.unary_unary(METHOD)
            await calls[name](b"", wait_for_ready=True, timeout=TIMEOUT_S)
        _write("connected")
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            asked = json.loads(line)
            seed = f"{asked['seed']}/{settings['name']}"
            _write(await measure(calls[asked["contender"]], settings, seed))


def _write(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def send(one: Callable[[float, float], Awaitable[None]], seed: str, rate: float, duration_s: float) -> None:
    """Start `one` for each arrival, told when it was due on the monotonic clock and in seconds from the start."""
    begun_at, tasks = time.monotonic(), []
    for at_s in arrivals(seed, rate, duration_s):
        if (wait_s := begun_at + at_s - time.monotonic()) > 0:
            await asyncio.sleep(wait_s)
        tasks.append(asyncio.ensure_future(one(begun_at + at_s, at_s)))
    await asyncio.gather(*tasks)


def arrivals(seed: str, rate: float, duration_s: float) -> Iterator[float]:
    """Poisson arrivals, in seconds from the start."""
    rng = random.Random(seed)
    at_s = rng.expovariate(rate)
    while at_s < duration_s:
        yield at_s
        at_s += rng.expovariate(rate)
