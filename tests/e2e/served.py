"""A control plane in this process: assignments are put into it directly, and may be spoiled on their way out."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from tests.e2e.kubernetes import NAMESPACE, REGION, Pod
from tests.e2e.process import output_of
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.join import ServicePort
from trimtab.control.metrics import Metrics
from trimtab.control.resource_store import ResourceStore
from trimtab.control.xds_server import XdsServer
from trimtab.model import Assignment, Endpoint, Locality, LocalityEndpoints, Policy, ServiceRef
from trimtab.xds.resource import Audience, Resource

Spoil = Callable[[bytes], bytes]
"""What becomes of an encoded resource, which has no name yet."""


class Served:
    """The store and the server of a real control plane, without sources in front."""

    def __init__(self) -> None:
        self.census = Census()
        self.metrics = Metrics()
        self.store = SpoiledStore(Catalog(), self.census)
        self._server = XdsServer(self.store, self.census, self.metrics)
        self.xds = ""

    def put(self, name: str, *groups: LocalityEndpoints, policy: Policy | None = None) -> None:
        """From now on the service is this, as far as the publish gate lets it be."""
        ref = ServiceRef(name, NAMESPACE, "80")
        port = ServicePort(ref, (ref,), Assignment(str(ref), groups), policy or Policy(), http2=True)
        self.store.apply({ref: port})

    async def bootstrap(self, kind: str, *arguments: str) -> str:
        """What `trimtab bootstrap KIND` prints for clients of this control plane."""
        return await output_of("bootstrap", kind, "--server", self.xds, *arguments)

    def rejects(self) -> int:
        """How many responses clients refused."""
        return round(sum(s.value for m in self.metrics.nacks.collect() for s in m.samples if s.name.endswith("_total")))

    async def start(self) -> None:
        self.xds = f"127.0.0.1:{await self._server.start('127.0.0.1:0')}"
        self._server.complete()

    async def stop(self) -> None:
        await self._server.stop(None)


class SpoiledStore(ResourceStore):
    """Serves some resources as no encoder of ours would write them."""

    def __init__(self, catalog: Catalog, census: Census) -> None:
        super().__init__(catalog, census)
        self._spoils: dict[tuple[str, str], Spoil] = {}

    def spoil(self, type_url: str, name: str, spoil: Spoil) -> None:
        self._spoils[type_url, name] = spoil

    def get(self, type_url: str, name: str, audience: Audience) -> Resource | None:
        resource = super().get(type_url, name, audience)
        spoil = self._spoils.get((type_url, name))
        if resource is None or spoil is None:
            return resource
        return Resource(f"{resource.version}-spoiled", spoil(resource.body))


def spoiling(message_class: Any, change: Callable[[Any], object]) -> Spoil:
    """Decode with the real message, change it, encode it."""

    def spoil(body: bytes) -> bytes:
        message = message_class.FromString(body)
        change(message)
        return bytes(message.SerializeToString())

    return spoil


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[Served]:
    """Serves on a free port for as long as the block lasts."""
    running = Served()
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


def group(pods: Iterable[Pod], *, weight: int = 1, priority: int = 0) -> LocalityEndpoints:
    """Pods of one zone."""
    pods = list(pods)
    (zone,) = {pod.zone for pod in pods}
    endpoints = tuple(Endpoint(pod.address, pod.port, uid=pod.name) for pod in pods)
    return LocalityEndpoints(Locality(REGION, zone), endpoints, weight, priority)
