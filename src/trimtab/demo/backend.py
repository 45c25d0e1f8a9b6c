"""One pod of the shop, as a process: `python -m trimtab.demo.backend ADDRESS:PORT`.

It serves a few requests at a time and queues the others in order of arrival. Serving is sleeping: what is shown is
queueing, and the machine's cores must not decide the result.
"""

import asyncio
import sys
import time
from functools import partial
from typing import Any

import grpc.aio

from . import shop
from .parent import Inbox, say, while_parent_lives
from .workload import WORKERS_PER_POD


class Backend:
    """The workers of one pod, and the count of what they were asked."""

    def __init__(self) -> None:
        self._workers = asyncio.Semaphore(WORKERS_PER_POD)
        self._slowdown = 1.0
        self._received = 0
        self._first_served_at: float | None = None

    async def place_order(self, request: bytes, context: object) -> bytes:
        """Serve one request."""
        order = shop.Order.decode(request)
        self._received += order.measured
        async with self._workers:
            await asyncio.sleep(order.demand_s * self._slowdown)
        if self._first_served_at is None:
            self._first_served_at = time.monotonic()
        return b""

    def obey(self, message: dict[str, Any]) -> dict[str, Any]:
        """Do what the demo says, and report."""
        match message:
            case {"do": "slow down", "factor": factor}:
                self._slowdown = factor
            case {"do": "reset"}:
                self._slowdown, self._received, self._first_served_at = 1.0, 0, None
        return {"received": self._received, "first_served_at": self._first_served_at}


async def serve(authority: str, inbox: Inbox) -> None:
    backend = Backend()
    server = grpc.aio.server(options=[("grpc.so_reuseport", 1)])
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(backend.place_order)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(shop.GRPC_SERVICE, {shop.GRPC_METHOD: handler}),)
    )
    server.add_insecure_port(authority)
    await server.start()
    say({"serving": authority})
    try:
        while True:
            say(backend.obey(await inbox.get()))
    finally:
        await server.stop(grace=None)


if __name__ == "__main__":
    asyncio.run(while_parent_lives(partial(serve, sys.argv[1])))
