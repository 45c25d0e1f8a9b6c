"""A backend that answers at once, in a process of its own so that its CPU is not the client's."""

import asyncio
import contextlib
import sys

import grpc

METHOD = "/bench.Echo/Call"


async def serve() -> None:
    """Serve until stdin closes; the port is the first line on stdout."""
    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(_echo)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", {"Call": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop(None)


async def _echo(request: bytes, context: object) -> bytes:
    return request


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())
