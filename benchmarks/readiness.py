"""What it costs that two replicas of the control plane tell each other since when the endpoints of a large cluster are ready.

Both in this process, over loopback: CPU is that of both together, and the longest turn that of either.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Iterator

import structlog
from rich.console import Console
from rich.table import Table

from benchmarks.kube_sync import Stopwatch
from trimtab.control import garbage
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.kubernetes import (
    SERVICE_NAME_LABEL,
    Conditions,
    EndpointSlice,
    Metadata,
    Object,
    Service,
    ServicePortSpec,
    ServiceSpec,
    SliceEndpoint,
    SlicePort,
    TargetRef,
)
from trimtab.control.metrics import Metrics
from trimtab.control.peers import Peers
from trimtab.control.readiness import Readiness
from trimtab.control.resource_store import ResourceStore
from trimtab.control.xds_server import XdsServer

SERVICES, PODS = 1_000, 100
PATIENCE_S = 60.0
Pods = dict[tuple[int, int], str]
"""Uids by service and number."""


class Replica:
    """A control plane without a source."""

    def __init__(self, name: str, pods: Pods) -> None:
        self.now = 1000.0
        self._pods = pods
        self._census = Census(name)
        self.catalog = Catalog(Readiness(lambda: self.now))
        self._store = ResourceStore(self.catalog, self._census)
        self._server = XdsServer(self._store, self._census, Metrics())
        self._server.complete()
        self.address = ""
        self._peers = Peers(self._census, self.catalog, self._store)

    async def listen(self) -> None:
        self.address = f"127.0.0.1:{await self._server.start('127.0.0.1:0')}"

    def look(self, now: float, pods: int, service: int | None = None) -> None:
        """See the first Pods of every service, or of one."""
        self.now = now
        seen = range(SERVICES) if service is None else (service,)
        self._store.apply(self.catalog.apply(list(self._objects(seen, pods)), ()))

    def _objects(self, services: range | tuple[int], pods: int) -> Iterator[Object]:
        for number in services:
            name = f"s{number}"
            yield Service(Metadata(name), ServiceSpec(ports=[ServicePortSpec(8080)]))
            listed = [
                SliceEndpoint(
                    [f"10.{number // 250}.{number % 250}.{pod}"],
                    Conditions(ready=True),
                    target_ref=TargetRef(f"{name}-{pod}", self._pods[number, pod]),
                )
                for pod in range(pods)
            ]
            yield EndpointSlice(Metadata(name, labels={SERVICE_NAME_LABEL: name}), "IPv4", listed, [SlicePort(8080)])

    async def meet(self, other: "Replica") -> None:
        """Hear all it knows, on a new stream."""
        await self._peers.stop()
        self._peers = Peers(self._census, self.catalog, self._store, [other.address])
        self._peers.start()
        await self._peers.heard_out(PATIENCE_S)

    @property
    def dates(self) -> list[float | None]:
        ports = self.catalog.service_ports()
        return [endpoint.ready_since for port in ports for _, endpoint in port.assignment.endpoints()]

    async def stop(self) -> None:
        await self._peers.stop()
        await self._server.stop(None)


async def run(console: Console) -> None:
    """One that knows the date of every endpoint but one per service, and one that knows none."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    pods = {(service, pod): str(uuid.uuid4()) for service in range(SERVICES) for pod in range(PODS)}
    old, new = Replica("old", pods), Replica("new", pods)
    table = Table(title=f"Dates of {SERVICES * (PODS - 1):,} endpoints of {SERVICES:,} services", title_justify="left")
    for column in ("", "CPU, both", "longest turn, CPU"):
        table.add_column(column, justify="left" if not column else "right")
    for replica in (old, new):
        await replica.listen()
    old.look(1000.0, 1)
    old.look(1010.0, PODS)
    new.look(2000.0, PODS)
    garbage.resume()
    watch = Stopwatch()
    ticking = asyncio.create_task(watch.run())
    for what, asks, asked in (
        ("a replica meets one that was alone", new, old),
        ("they meet again", new, old),
        ("it is asked what it knows now", old, new),
    ):
        await asyncio.sleep(0.1)
        watch.take()
        cpu_s = time.process_time()
        await asks.meet(asked)
        cpu_s = time.process_time() - cpu_s
        table.add_row(what, f"{cpu_s * 1e3:.0f} ms", f"{watch.take()['blocked_cpu_s'] * 1e3:.0f} ms")
    assert new.dates == old.dates
    ticking.cancel()
    told = (old.catalog.readiness.resource(key, "old") for key in old.catalog.readiness.services())
    size = sum(len(resource.body) for resource in told if resource is not None)
    console.print(table)
    console.print(f"{size / 1e6:.1f} MB, {size / SERVICES / (PODS - 1):.0f} bytes for each endpoint")
    for replica in (new, old):
        await replica.stop()
