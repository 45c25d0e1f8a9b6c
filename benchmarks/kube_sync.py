"""A control plane's inside following a cluster, in a process of its own, measured from within.

First what the first load costs, and the longest time the event loop did not get to run meanwhile; then, for each line on stdin,
the CPU seconds used so far.
"""

import asyncio
import contextlib
import json
import logging
import resource
import sys
import time
from dataclasses import dataclass

import structlog
import uvloop

from trimtab.control import garbage
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.kube.access import Access, AccessSource
from trimtab.control.kube.watch_source import Scope, WatchSource
from trimtab.control.metrics import Metrics
from trimtab.control.portions import portions
from trimtab.control.resource_store import ResourceStore
from trimtab.control.xds_server import OPTIONS, XdsServer
from trimtab.xds.resource import Audience
from trimtab.xds.resource_type import ENDPOINTS

_TICK_S = 0.001


class Stopwatch:
    """The longest turn of the event loop: in CPU time of its thread, which is what it costs, and on the wall, others included."""

    def __init__(self) -> None:
        self.worst_cpu_s = self.worst_wall_s = 0.0

    async def run(self) -> None:
        cpu_s, wall_s = time.thread_time(), time.monotonic()
        while True:
            await asyncio.sleep(_TICK_S)
            before_cpu_s, before_wall_s, cpu_s, wall_s = cpu_s, wall_s, time.thread_time(), time.monotonic()
            self.worst_cpu_s = max(self.worst_cpu_s, cpu_s - before_cpu_s)
            self.worst_wall_s = max(self.worst_wall_s, wall_s - before_wall_s - _TICK_S)

    def take(self) -> dict[str, float]:
        worst = {"blocked_cpu_s": self.worst_cpu_s, "blocked_wall_s": self.worst_wall_s}
        self.worst_cpu_s = self.worst_wall_s = 0.0
        return worst


@dataclass
class Progress:
    """How far it has come."""

    loaded: asyncio.Event
    changes: int = 0


async def follow(source: WatchSource, catalog: Catalog, store: ResourceStore, progress: Progress) -> None:
    """As the control plane does it, and encode everything once: nobody has subscribed yet."""
    garbage.pause()
    async with contextlib.aclosing(source.watch()) as watching:
        async for news in watching:
            for upserts, deletes in portions(news.upserts, news.deletes):
                changed = catalog.apply(upserts, deletes)
                store.apply(changed)
                for ref, port in changed.items():
                    if port is not None and ref == port.ref:
                        store.get(ENDPOINTS, str(ref), Audience())
                await asyncio.sleep(0)
            progress.changes += len(news.upserts)
            if not progress.loaded.is_set():
                garbage.resume()
                progress.loaded.set()


async def main(url: str) -> None:
    watch = Stopwatch()
    ticking = asyncio.create_task(watch.run())
    catalog, census, progress = Catalog(), Census(), Progress(asyncio.Event())
    store = ResourceStore(catalog, census)
    server = XdsServer(store, census, Metrics(), options=_OPTIONS)
    source = WatchSource("bench", AccessSource(lambda _: Access(url)), Scope())
    await asyncio.sleep(0.05)
    watch.take()
    cpu_s, began = time.process_time(), time.monotonic()
    following = asyncio.create_task(follow(source, catalog, store, progress))
    await progress.loaded.wait()
    server.complete()
    port = await server.start("127.0.0.1:0")
    report = {
        "port": port,
        "seconds": time.monotonic() - began,
        "cpu_s": time.process_time() - cpu_s,
        **watch.take(),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "endpoints": sum(len(one.assignment) for one in catalog.service_ports()),
    }
    # A thousand looks a second at the clock would be a tenth of what a change costs.
    ticking.cancel()
    print(json.dumps(report), flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps({"cpu_s": time.process_time(), "changes": progress.changes}), flush=True)
    following.cancel()
    await server.stop(None)


_OPTIONS = tuple((key, 128 if key == "grpc.max_concurrent_streams" else value) for key, value in OPTIONS)

if __name__ == "__main__":
    # What stdout says is for whoever started this.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main(sys.argv[1]))
