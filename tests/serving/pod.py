"""A server with a life, of either kind, in this process, and callers for it."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio

from trimtab import serving

PATIENCE_S = 60.0
WORKERS = 4


def echo_handlers(behaviours: dict[str, Any]) -> grpc.GenericRpcHandler:
    """A service `test.Echo` with the methods `behaviours`: whole handlers, or what a unary one does."""
    handlers: dict[str, Any] = {
        name: each if isinstance(each, grpc.RpcMethodHandler) else grpc.unary_unary_rpc_method_handler(each)
        for name, each in behaviours.items()
    }
    return grpc.method_handlers_generic_handler("test.Echo", handlers)


async def _echo(request: bytes, context: object) -> bytes:
    return request


def _sync_echo(request: bytes, context: object) -> bytes:
    return request


class Pod:
    """A running pod, the same for both kinds of server."""

    def __init__(self, address: str, life: Any, load: serving.Load) -> None:
        self.address = address
        self.life = life
        self.load = load

    @property
    def health(self) -> serving.Health:
        health: serving.Health = self.life.health
        return health

    async def reached(self, *phases: serving.Phase) -> None:
        await asyncio.wait_for(self.health.reached(*phases), PATIENCE_S)


@contextlib.asynccontextmanager
async def aio_pod(behaviours: dict[str, Any] | None = None, **settings: Any) -> AsyncIterator[Pod]:
    """A grpc.aio server that lives in this loop."""
    load = settings.setdefault("load", serving.Load(capacity=WORKERS))
    settings.setdefault("signals", ())
    server = grpc.aio.server(interceptors=[serving.AioLoadInterceptor(load)])
    server.add_generic_rpc_handlers((echo_handlers(behaviours or {"Call": _echo}),))
    port = server.add_insecure_port("127.0.0.1:0")
    async with serving.lifecycle(server, **settings) as life:
        yield Pod(f"127.0.0.1:{port}", life, load)


@contextlib.contextmanager
def _sync_life(behaviours: dict[str, Any] | None, settings: dict[str, Any]) -> Iterator[Pod]:
    load = settings.setdefault("load", serving.Load(capacity=WORKERS))
    settings.setdefault("signals", ())
    with ThreadPoolExecutor(WORKERS) as pool:
        server = grpc.server(pool, interceptors=[serving.LoadInterceptor(load)])
        server.add_generic_rpc_handlers((echo_handlers(behaviours or {"Call": _sync_echo}),))
        port = server.add_insecure_port("127.0.0.1:0")
        with serving.lifecycle(server, **settings) as life:
            yield Pod(f"127.0.0.1:{port}", life, load)


@contextlib.asynccontextmanager
async def sync_pod(behaviours: dict[str, Any] | None = None, **settings: Any) -> AsyncIterator[Pod]:
    """A grpc.Server that lives in threads. Its context is entered and left in a thread, for both wait."""
    context = _sync_life(behaviours, settings)
    pod = await asyncio.to_thread(context.__enter__)
    try:
        yield pod
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)


KINDS: dict[str, Callable[..., contextlib.AbstractAsyncContextManager[Pod]]] = {"aio": aio_pod, "sync": sync_pod}


class Gate:
    """A handler of either kind that answers when it is let."""

    def __init__(self) -> None:
        self._entered = threading.Semaphore(0)
        self._open = threading.Event()

    async def aio(self, request: bytes, context: object) -> bytes:
        self._entered.release()
        await asyncio.to_thread(self._open.wait, PATIENCE_S)
        return request

    def sync(self, request: bytes, context: object) -> bytes:
        self._entered.release()
        self._open.wait(PATIENCE_S)
        return request

    async def entered(self) -> None:
        """Return once one more call is under way."""
        assert await asyncio.to_thread(self._entered.acquire, timeout=PATIENCE_S)

    def open(self) -> None:
        self._open.set()

    def handler(self, kind: str) -> Any:
        return self.aio if kind == "aio" else self.sync
