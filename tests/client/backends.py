"""Backends for tests of the client: real gRPC servers in this process, one port each."""

import threading
import time
from collections.abc import Iterator
from concurrent import futures
from typing import Any, Self

import grpc

from tests.ports import HeldPort
from trimtab.model import Endpoint

SERVICE = "shop.Shop"


class Backend:
    """Counts what it serves. Requests say what to do: `fail`, `slow`, `who`, `remaining`; anything else is echoed.

    Its port stays its own until the end of the `with` block: closed before, it can be started there again.
    """

    def __init__(self, port: int = 0, credentials: grpc.ServerCredentials | None = None) -> None:
        self.calls = 0
        self.metadata: list[tuple[tuple[str, str | bytes], ...]] = []
        self.peers: set[str] = set()
        self.release = threading.Event()
        self.entered = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._server = grpc.server(futures.ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0)])
        handlers: dict[str, Any] = {
            "Echo": grpc.unary_unary_rpc_method_handler(self._unary_unary),
            "List": grpc.unary_stream_rpc_method_handler(self._unary_stream),
            "Sum": grpc.stream_unary_rpc_method_handler(self._stream_unary),
            "Chat": grpc.stream_stream_rpc_method_handler(self._stream_stream),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self._held = None if port else HeldPort()
        address = f"127.0.0.1:{port}" if self._held is None else self._held.address
        self.port = (
            self._server.add_insecure_port(address)
            if credentials is None
            else self._server.add_secure_port(address, credentials)
        )
        self._server.start()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("127.0.0.1", self.port)

    def close(self) -> None:
        self.release.set()
        self._server.stop(None).wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
        if self._held is not None:
            self._held.release()

    def _began(self, request: bytes, context: grpc.ServicerContext) -> None:
        with self._lock:
            self.calls += 1
            self.metadata.append(tuple(context.invocation_metadata()))
            self.peers.add(context.peer())
        context.send_initial_metadata((("greeting", "hello"),))
        context.set_trailing_metadata((("served-by", str(self.port)),))
        self.entered.release()
        self._obey(request, context)

    def _obey(self, request: bytes, context: grpc.ServicerContext) -> None:
        if request == b"fail":
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as asked")
        if request == b"slow":
            self.release.wait(60)

    def _answer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        if request == b"who":
            return str(self.port).encode()
        return b"%f" % (context.time_remaining() or 0) if request == b"remaining" else request

    def _unary_unary(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self._began(request, context)
        return self._answer(request, context)

    def _unary_stream(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        self._began(b"", context)
        for index in range(3):
            yield b"%d" % index
        self._obey(request, context)
        if request == b"endless":
            while context.is_active():
                yield b"more"
                time.sleep(0.01)

    def _stream_unary(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        self._began(b"", context)
        parts = []
        for request in requests:
            self._obey(request, context)
            parts.append(request)
        return b"+".join(parts)

    def _stream_stream(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        self._began(b"", context)
        for request in requests:
            self._obey(request, context)
            yield request
