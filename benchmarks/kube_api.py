"""A pretended API server with a large cluster in it, in a process of its own.

Each line on stdin changes one endpoint of the service with that number; the answer on stdout is when that was, in seconds of the
system's monotonic clock.
"""

import asyncio
import json
import sys
import time

from tests.control.kube.fake_api_server import FakeApiServer
from tests.control.kube.json_objects import Json, endpoint, endpoint_slice, node, service

ENDPOINTS = 100
"""Per service, which is what the controller puts into one slice."""
_ZONES = ("a", "b", "c")


def name(number: int) -> str:
    """The service with that number."""
    return f"s{number}"


def _slice(number: int, turn: int = 0) -> Json:
    found = []
    for host in range(ENDPOINTS):
        last = turn if host == 0 and turn else host
        address = f"10.{number // 250}.{number % 250}.{last % 250 + 1}"
        pod = f"{name(number)}-5d4f8c7b9d-{last:05}"
        where = f"node-{(number + host) % 300}"
        found.append(endpoint(address, pod=pod, node=where, zone=_ZONES[host % 3]))
    return endpoint_slice(*found, name=f"{name(number)}-x7k2p", of=name(number), namespace="bench")


async def main(services: int) -> None:
    api = FakeApiServer()
    api.put(*(node(f"node-{n}", _ZONES[n % 3]) for n in range(300)))
    for number in range(services):
        api.put(service(name(number), "bench"), _slice(number))
    await api.start()
    print(json.dumps(api.url), flush=True)
    loop, turn = asyncio.get_running_loop(), 100
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        turn += 1
        changed = _slice(int(line), turn)
        at = time.monotonic()
        api.put(changed)
        print(at, flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
