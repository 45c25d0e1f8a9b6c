"""A process that calls the shop without a pause until its stdin ends: `python -m tests.serving.caller KIND [PROXY]`.

It says when the first call has succeeded, and in the end how the calls went. KIND is a name in CHANNELS; where the
control plane is, the environment says as it does to every gRPC client. With PROXY it calls that address instead, and names
the shop as its authority.
"""

import asyncio
import json
import struct
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio

import trimtab
import trimtab.aio

TARGET = "xds:///shop.demo:50051"
METHOD = "/demo.Shop/PlaceOrder"
AT_ONCE = 6
CALL_TIMEOUT_S = 60
REQUEST = struct.pack("!d", 0.01)
CHANNELS: dict[str, Any] = {
    "trimtab.aio": trimtab.aio.channel,
    "trimtab": trimtab.channel,
    "stock grpc.aio": grpc.aio.insecure_channel,
    "stock grpc": grpc.insecure_channel,
}


class Log:
    """How the calls went."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()

    def add(self, outcome: str) -> None:
        if outcome == "OK" and not self.outcomes["OK"]:
            say({"calling": True})
        self.outcomes[outcome] += 1


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def failure(error: grpc.RpcError) -> str:
    call: Any = error
    return f"{call.code().name}: {call.details()}"


async def call_from_a_loop(channel: grpc.aio.Channel, log: Log) -> None:
    stub: Any = channel.unary_unary(METHOD)
    over = asyncio.Event()

    async def call() -> None:
        while not over.is_set():
            try:
                await stub(REQUEST, timeout=CALL_TIMEOUT_S, wait_for_ready=not log.outcomes["OK"])
            except grpc.RpcError as error:
                log.add(failure(error))
            else:
                log.add("OK")

    calling = [asyncio.create_task(call()) for _ in range(AT_ONCE)]
    await asyncio.to_thread(sys.stdin.read)
    over.set()
    await asyncio.gather(*calling)
    await channel.close()


def call_from_threads(channel: grpc.Channel, log: Log) -> None:
    stub: Any = channel.unary_unary(METHOD)
    over = threading.Event()
    one_at_a_time = threading.Lock()

    def call() -> None:
        while not over.is_set():
            try:
                stub(REQUEST, timeout=CALL_TIMEOUT_S, wait_for_ready=not log.outcomes["OK"])
                outcome = "OK"
            except grpc.RpcError as error:
                outcome = failure(error)
            with one_at_a_time:
                log.add(outcome)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        calling = [pool.submit(call) for _ in range(AT_ONCE)]
        sys.stdin.read()
        over.set()
    for each in calling:
        each.result()
    channel.close()


def main(kind: str, proxy: str | None = None) -> None:
    log = Log()
    options = (("grpc.default_authority", TARGET.removeprefix("xds:///")),) if proxy else ()
    if kind.endswith("aio"):

        async def work() -> None:
            await call_from_a_loop(CHANNELS[kind](proxy or TARGET, options=options), log)

        asyncio.run(work())
    else:
        call_from_threads(CHANNELS[kind](proxy or TARGET, options=options), log)
    say(dict(log.outcomes))


if __name__ == "__main__":
    main(*sys.argv[1:])
