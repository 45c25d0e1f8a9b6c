"""A pod as a process, for real signals: `python -m tests.serving.signalled_pod KIND LIMIT_S REPEAT_S`, KIND `aio` or `sync`.

It says where it listens; a line on stdin ends its warm-up. `Endless` streams on; `UntilDrained` does until the pod drains.
"""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio

from tests.serving.pod import echo_handlers
from trimtab import serving


def _settings(drain: serving.Drain) -> dict[str, Any]:
    warmup = serving.Warmup()
    # Not through sys.stdin, whose lock a thread that hangs would hold at the end.
    warmup.step("line", lambda: os.read(0, 1), timeout_s=600)
    return {"warmup": warmup, "drain": drain}


def _announce(port: int) -> None:
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


async def _live_aio(drain: serving.Drain) -> None:
    async def endless(request: bytes, context: object) -> AsyncIterator[bytes]:
        yield request
        await asyncio.Event().wait()

    async def until_drained(request: bytes, context: object) -> AsyncIterator[bytes]:
        yield request
        await life.draining()

    load = serving.Load()
    server = grpc.aio.server(interceptors=[serving.AioLoadInterceptor(load)])
    stream: Any = grpc.unary_stream_rpc_method_handler
    server.add_generic_rpc_handlers(
        (echo_handlers({"Endless": stream(endless), "UntilDrained": stream(until_drained)}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    life = serving.lifecycle(server, load=load, **_settings(drain))
    async with life:
        _announce(port)
        await server.wait_for_termination()


def _live_sync(drain: serving.Drain) -> None:
    def endless(request: bytes, context: Any) -> Iterator[bytes]:
        gone = threading.Event()
        context.add_callback(gone.set)
        yield request
        gone.wait()

    def until_drained(request: bytes, context: object) -> Iterator[bytes]:
        yield request
        life.draining()

    load = serving.Load()
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool, interceptors=[serving.LoadInterceptor(load)])
        stream: Any = grpc.unary_stream_rpc_method_handler
        server.add_generic_rpc_handlers(
            (echo_handlers({"Endless": stream(endless), "UntilDrained": stream(until_drained)}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        life = serving.lifecycle(server, load=load, **_settings(drain))
        with life:
            _announce(port)
            server.wait_for_termination()


def main(kind: str, limit_s: float, repeat_s: float) -> None:
    drain = serving.Drain(quiet_s=0.2, limit_s=limit_s, finish_s=0.2, repeat_s=repeat_s)
    logging.basicConfig(level=logging.INFO)
    if kind == "aio":
        asyncio.run(_live_aio(drain))
    else:
        _live_sync(drain)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
