"""Replicas that find each other over real connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

from tests.control.objects import endpoint, endpoint_slice, service
from tests.control.xds_client import until
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.kubernetes import ServicePortSpec, SlicePort
from trimtab.control.metrics import Metrics
from trimtab.control.peers import Peers
from trimtab.control.resource_store import ResourceStore
from trimtab.control.xds_server import XdsServer
from trimtab.model import ServiceRef

PAYMENTS, ORDERS = "payments.prod:8080", "orders.prod:8080"
CONTROL_PLANE = ServiceRef("trimtab", "prod", "18000")


class Replica:
    """A control plane as far as its peers see it, with clients that are only counted."""

    def __init__(self, name: str, memory_s: float) -> None:
        self.census = Census(name)
        self.catalog = Catalog()
        self.store = ResourceStore(self.catalog, self.census)
        self.store.apply(self.catalog.apply([service(), service(name="orders")], ()))
        self.server = XdsServer(self.store, self.census, Metrics())
        self.server.complete()
        self.address = ""
        self._memory_s = memory_s
        self.peers = Peers(self.census, self.catalog, self.store)

    async def listen(self, address: str = "127.0.0.1:0") -> None:
        self.address = f"127.0.0.1:{await self.server.start(address)}"

    def know(self, addresses: Iterable[str] = (), service: ServiceRef | None = None) -> None:
        self.peers = Peers(self.census, self.catalog, self.store, addresses, service, memory_s=self._memory_s)
        self.peers.start()

    def joined(self, zones: str, name: str = PAYMENTS) -> None:
        for zone in zones:
            self.store.recounted(name, shares_changed=self.census.joined(name, zone))

    def left(self, zones: str, name: str = PAYMENTS) -> None:
        for zone in zones:
            self.store.recounted(name, shares_changed=self.census.left(name, zone))

    async def until_counts(self, name: str = PAYMENTS, **expected: int) -> None:
        await until(lambda: dict(self.census.counts(name)) == expected)

    async def vanish(self) -> None:
        await self.peers.stop()
        await self.server.stop(None)


@contextlib.asynccontextmanager
async def replicas(count: int, memory_s: float = 30.0) -> AsyncIterator[list[Replica]]:
    """Replicas that listen and do not know each other yet."""
    made = [Replica(f"replica-{index}", memory_s) for index in range(count)]
    try:
        for replica in made:
            await replica.listen()
        yield made
    finally:
        await asyncio.gather(*(replica.vanish() for replica in made))


async def test_replicas_on_a_list_sum_their_clients_and_ignore_themselves() -> None:
    async with replicas(2) as (one, two):
        one.joined("aa")
        for replica in (one, two):
            replica.know([one.address, two.address])
        await two.until_counts(a=2)
        two.joined("b")
        two.joined("c", ORDERS)
        one.left("a")
        await one.until_counts(a=1, b=1)
        await one.until_counts(ORDERS, c=1)
        await two.until_counts(a=1, b=1)
        assert (one.peers.connected, two.peers.connected) == (1, 1)


async def test_clients_that_are_gone_count_no_more_on_either_side() -> None:
    async with replicas(2) as (one, two):
        one.joined("ab")
        one.know([two.address])
        two.know([one.address])
        await two.until_counts(a=1, b=1)
        one.left("ab")
        await two.until_counts()
        assert not list(two.census.services())


async def test_replicas_are_found_in_the_own_catalog() -> None:
    async with replicas(3) as everybody:
        one, two, _ = everybody
        slices = [
            endpoint_slice(
                endpoint("127.0.0.1"),
                name=f"trimtab-{index}",
                of="trimtab",
                ports=[SlicePort(int(replica.address.rpartition(":")[2]), "xds")],
            )
            for index, replica in enumerate(everybody)
        ]
        own = service(ServicePortSpec(18000, "xds"), name="trimtab")
        for replica in everybody:
            replica.know(service=CONTROL_PLANE)
            replica.joined("a")
            replica.store.apply(replica.catalog.apply([own, *slices[:2]], ()))
        for replica in (one, two):
            await replica.until_counts(a=2)
        for replica in everybody:
            replica.store.apply(replica.catalog.apply([slices[2]], ()))
        for replica in everybody:
            await replica.until_counts(a=3)


async def test_a_replica_that_vanished_is_remembered_for_a_while_and_then_forgotten() -> None:
    async with replicas(2, memory_s=2.0) as (one, two):
        one.joined("a")
        two.joined("bb")
        one.know([two.address])
        await one.until_counts(a=1, b=2)
        await two.vanish()
        await until(lambda: one.peers.connected == 0)
        assert dict(one.census.counts(PAYMENTS)) == {"a": 1, "b": 2}
        await one.until_counts(a=1)


async def test_a_replica_that_comes_back_is_not_forgotten_and_what_it_does_not_mention_is() -> None:
    async with replicas(2, memory_s=0.5) as (one, two):
        two.joined("b")
        two.joined("c", ORDERS)
        one.know([two.address])
        await one.until_counts(b=1)
        await one.until_counts(ORDERS, c=1)
        address = two.address
        await two.vanish()
        two.left("c", ORDERS)
        two.server = XdsServer(two.store, two.census, Metrics())
        two.server.complete()
        await two.listen(address)
        await one.until_counts(ORDERS)
        # Longer than it would be remembered had it not come back.
        await asyncio.sleep(0.6)
        await one.until_counts(b=1)


async def test_a_replica_that_takes_the_place_of_another_counts_beside_its_memory() -> None:
    async with replicas(3, memory_s=3.0) as (one, two, three):
        two.joined("b")
        one.know([two.address])
        await one.until_counts(b=1)
        address = two.address
        await two.vanish()
        await three.server.stop(None)
        three.server = XdsServer(three.store, three.census, Metrics())
        three.server.complete()
        three.joined("c")
        await three.listen(address)
        await one.until_counts(b=1, c=1)
        await one.until_counts(c=1)


async def test_a_peer_that_is_not_there_does_no_harm() -> None:
    async with replicas(2) as (one, two):
        await two.vanish()
        one.know([two.address])
        one.joined("a")
        assert dict(one.census.counts(PAYMENTS)) == {"a": 1}
        assert one.peers.connected == 0
