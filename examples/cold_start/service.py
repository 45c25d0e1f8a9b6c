"""A service with a cold start, and what it takes for no caller to notice.

    python examples/cold_start/service.py --listen 127.0.0.1:50051 --probe 127.0.0.1:8080

Its first request loads what it works with, which takes three seconds, and everyone who calls meanwhile waits. After that
its cache is empty, so the next requests are slow. With a warm-up both happen before Kubernetes calls the pod ready;
`--cold` leaves that out. At SIGTERM it goes on until its callers have moved.

Work is sleeping here, so that many pods fit on one machine. A request is the seconds that it takes, as eight bytes.
"""

import argparse
import asyncio
import logging
import struct
from collections.abc import Sequence

import grpc.aio

from trimtab import serving

SERVICE, METHOD = "demo.Shop", "PlaceOrder"
WORKERS = 8
"""Requests served at a time; the others wait in order of arrival."""
CACHE_FULL_AFTER = 100
"""Requests."""
COLD_FACTOR = 3.0
"""How many times longer a request takes while the cache is empty."""


class Shop:
    """The service itself. It knows nothing of Kubernetes."""

    def __init__(self, load_s: float) -> None:
        self._load_s = load_s
        self._loading = asyncio.Lock()
        self._loaded = False
        self._served = 0
        self._workers = asyncio.Semaphore(WORKERS)

    async def load(self) -> None:
        """Load what every request needs; whoever comes while it is being loaded waits."""
        async with self._loading:
            if not self._loaded:
                await asyncio.sleep(self._load_s)
                self._loaded = True

    async def place_order(self, request: bytes, context: object) -> bytes:
        """Serve one request."""
        (work_s,) = struct.unpack_from("!d", request)
        async with self._workers:
            await self.load()
            await asyncio.sleep(work_s * self._slowdown)
        self._served += 1
        return b""

    @property
    def _slowdown(self) -> float:
        cold = max(0.0, 1 - self._served / CACHE_FULL_AFTER)
        return 1 + (COLD_FACTOR - 1) * cold


def make_warmup(shop: Shop, own_address: str) -> serving.Warmup:
    """Load first, then fill the cache through the real server: what the first callers would have paid for."""

    async def prime() -> None:
        async with grpc.aio.insecure_channel(own_address) as channel:
            place_order: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{SERVICE}/{METHOD}")

            async def order() -> None:
                await place_order(struct.pack("!d", 0.001))

            await serving.repeated(order, CACHE_FULL_AFTER, at_once=WORKERS)()

    warmup = serving.Warmup()
    warmup.step("load", shop.load, timeout_s=30)
    warmup.step("prime", prime, after=["load"], timeout_s=30)
    return warmup


async def serve(
    listen: str,
    *,
    probe: str | None = None,
    cold: bool = False,
    load_s: float = 3.0,
    drain: serving.Drain | None = None,
    shop: Shop | None = None,
    health: serving.Health | None = None,
    options: Sequence[tuple[str, object]] = (),
) -> None:
    """Serve until SIGTERM, and then until nobody calls any more."""
    shop = shop or Shop(load_s)
    load = serving.Load(capacity=WORKERS)
    server = grpc.aio.server(interceptors=[serving.AioLoadInterceptor(load)], options=options)
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(shop.place_order)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    server.add_insecure_port(listen)
    async with serving.lifecycle(
        server,
        warmup=None if cold else make_warmup(shop, listen),
        health=health or serving.Health(SERVICE),
        load=load,
        probe=probe,
        drain=drain,
    ):
        await server.wait_for_termination()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="A service with a cold start.")
    parser.add_argument("--listen", default="127.0.0.1:50051", help="where to serve gRPC")
    parser.add_argument("--probe", default="127.0.0.1:8080", help="where /healthz and /readyz are")
    parser.add_argument("--cold", action="store_true", help="leave out the warm-up")
    parser.add_argument("--load", type=float, default=3.0, metavar="SECONDS", help="how long loading takes")
    parser.add_argument("--quiet", type=float, default=5.0, metavar="SECONDS", help="how long a drain waits for calls")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    asyncio.run(
        serve(
            arguments.listen,
            probe=arguments.probe,
            cold=arguments.cold,
            load_s=arguments.load,
            drain=serving.Drain(quiet_s=arguments.quiet),
        )
    )


if __name__ == "__main__":
    main()
