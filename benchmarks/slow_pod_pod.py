"""A pod that serves a few requests at a time: `python -m benchmarks.slow_pod_pod WORKERS MEAN_S [ANSWER]`; it ends with its stdin."""

import asyncio
import random
import sys

import grpc

from .echo_server import METHOD


async def serve(workers: int, mean_s: float, said: str = "") -> None:
    """Serving is sleeping, for an exponential time: the machine's cores must not decide the result."""
    rng, free = random.Random(), asyncio.Semaphore(workers)

    async def answer(request: bytes, context: object) -> bytes:
        async with free:
            await asyncio.sleep(rng.expovariate(1 / mean_s))
        return said.encode()

    _, service, name = METHOD.split("/")
    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: handler}),))
    sys.stdout.write(f"{server.add_insecure_port('127.0.0.1:0')}\n")
    await server.start()
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:]))
