"""Replicas that find each other over real connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

import pytest

from tests.control.objects import endpoint, endpoint_slice, service
from tests.control.xds_client import XdsClient, addresses, until
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.kubernetes import ServicePortSpec, SlicePort
from trimtab.control.metrics import Metrics
from trimtab.control.peers import Peers
from trimtab.control.readiness import Readiness
from trimtab.control.resource_store import ResourceStore
from trimtab.control.xds_server import XdsServer
from trimtab.model import ServiceRef

PAYMENTS, ORDERS = "payments.prod:8080", "orders.prod:8080"
CONTROL_PLANE = ServiceRef("trimtab", "prod", "18000")
FOR_GOOD_S = 3600.0
"""Nobody is forgotten in this time, however slow the machine."""


class Replica:
    """A control plane as far as its peers see it, with clients that are only counted."""

    def __init__(self, name: str, memory_s: float) -> None:
        self.census = Census(name)
        self.now = 1000.0
        self.catalog = Catalog(Readiness(lambda: self.now))
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

    def look(self, now: float, *pods: str, name: str = "payments") -> None:
        """See which Pods of a service are ready."""
        self.now = now
        listed = [endpoint(f"10.0.{number // 250}.{number % 250}", pod=pod) for number, pod in enumerate(sorted(pods))]
        self.store.apply(self.catalog.apply([endpoint_slice(*listed, name=f"{name}-1", of=name)], ()))

    def since(self, name: str = PAYMENTS) -> dict[str, float | None]:
        assignment = self.store.assignment(ServiceRef.parse(name))
        assert assignment is not None
        return {found.hostname: found.ready_since for _, found in assignment.endpoints()}

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


async def test_a_replica_that_vanished_is_remembered_for_a_while() -> None:
    async with replicas(2, memory_s=FOR_GOOD_S) as (one, two):
        one.joined("a")
        two.joined("bb")
        one.know([two.address])
        await one.until_counts(a=1, b=2)
        await two.vanish()
        await until(lambda: one.peers.connected == 0)
        assert dict(one.census.counts(PAYMENTS)) == {"a": 1, "b": 2}


async def test_a_replica_that_vanished_is_forgotten_after_that_while() -> None:
    async with replicas(2, memory_s=0.1) as (one, two):
        one.joined("a")
        two.joined("bb")
        one.know([two.address])
        await one.until_counts(a=1, b=2)
        await two.vanish()
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


@pytest.mark.parametrize(("memory_s", "counted"), [(FOR_GOOD_S, {"b": 1, "c": 1}), (0.1, {"c": 1})])
async def test_a_replica_that_takes_the_place_of_another_counts_beside_its_memory(
    memory_s: float, counted: dict[str, int]
) -> None:
    async with replicas(3, memory_s) as (one, two, three):
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
        await until(lambda: dict(one.census.counts(PAYMENTS)) == counted)


async def test_a_peer_that_is_not_there_does_no_harm() -> None:
    async with replicas(2) as (one, two):
        await two.vanish()
        one.know([two.address])
        one.joined("a")
        assert dict(one.census.counts(PAYMENTS)) == {"a": 1}
        assert one.peers.connected == 0


async def test_replicas_tell_each_other_since_when_endpoints_are_ready() -> None:
    async with replicas(2) as (one, two):
        one.look(1000.0, "a")
        one.look(1010.0, "a", "b")
        two.look(2000.0, "a", "b")
        one.know([two.address])
        two.know([one.address])
        await until(lambda: two.since() == {"a": None, "b": 1010.0})
        two.look(2010.0, "a", "b", "c")
        one.look(2011.0, "a", "b", "c")
        await until(lambda: one.since() == two.since() == {"a": None, "b": 1010.0, "c": 2011.0})
        # Nothing of that is a reason to connect as a client does.
        assert not list(one.census.services())


async def test_clients_are_not_sent_anything_because_of_a_date() -> None:
    async with replicas(2) as (one, two):
        one.look(1000.0, "a")
        one.look(1010.0, "a", "b")
        two.look(2000.0, "a", "b")
        async with XdsClient(two.address, PAYMENTS) as client:
            assert b"ready_since" not in (await client.response()).SerializeToString()
            two.know([one.address])
            await until(lambda: two.since() == one.since())
            two.look(2010.0, "a", "b", "c")
            told = await client.response()
            assert addresses(told) == {PAYMENTS: ["10.0.0.0", "10.0.0.1", "10.0.0.2"]}
            assert told.SerializeToString().count(b"ready_since") == 2


async def test_what_is_known_is_passed_on_to_replicas_that_never_met_who_saw_it() -> None:
    async with replicas(3) as (one, two, three):
        one.look(1000.0, "a")
        one.look(1010.0, "a", "b")
        two.look(2000.0, "a", "b")
        two.know([one.address])
        await until(lambda: two.since() == one.since())
        await one.vanish()
        three.now = 3000.0
        three.know([two.address])
        await three.peers.heard_out(60.0)
        # Before it knew that there are any endpoints.
        three.look(3000.0, "a", "b")
        assert three.since() == {"a": None, "b": 1010.0}
        await three.peers.prepare()
        two.know([three.address])
        two.look(3000.0, "a")
        two.look(3001.0, "a", "b")
        await until(lambda: three.since() == {"a": None, "b": 3001.0})


async def test_a_whole_cluster_is_told_at_once() -> None:
    async with replicas(2) as (one, two):
        many = [f"pod-{number:05}" for number in range(10_000)]
        one.look(1000.0, "pod-")
        one.look(1010.0, *many)
        two.look(2000.0, *many)
        two.know([one.address])
        await two.peers.heard_out(60.0)
        assert two.since() == dict.fromkeys(many, 1010.0)


async def test_what_a_replica_said_is_forgotten_with_it_unless_it_is_seen() -> None:
    async with replicas(2, memory_s=0.1) as (one, two):
        one.look(1000.0, "a")
        one.look(1010.0, "a", "b", "c")
        two.look(2000.0, "a", "b")
        two.know([one.address])
        await two.peers.heard_out(60.0)
        await one.vanish()
        await until(lambda: not two.catalog.readiness.heard_from("replica-0"))
        assert two.since() == {"a": None, "b": 1010.0}
        two.look(2010.0, "a", "b", "c")
        assert two.since()["c"] == 2010.0


async def test_nobody_waits_for_a_peer_that_is_not_there_or_has_nothing_to_say() -> None:
    async with replicas(3) as (one, two, three):
        await two.vanish()
        one.know([two.address, three.address])
        async with asyncio.timeout(30):
            await one.peers.heard_out(3600.0)


async def test_a_peer_that_answers_nobody_yet_is_not_waited_for_too_long() -> None:
    async with replicas(2) as (one, two):
        await two.server.stop(None)
        two.server = XdsServer(two.store, two.census, Metrics())
        await two.listen()
        one.know([two.address])
        await one.peers.heard_out(0.05)
        assert one.peers.connected == 0
