"""The other replicas of the control plane: who they are, and what is remembered of those that vanish."""

import asyncio
import random
from collections.abc import Hashable, Iterable, Mapping

import structlog

from ..model import ServiceRef
from ..xds.resource_type import CENSUS, READINESS
from ..xds.service_census import ServiceCensus, decode_census
from ..xds.service_readiness import ServiceReadiness, decode_readiness
from .catalog import Catalog
from .census import Census
from .peer_link import PeerLink, Security, Topic
from .references import ServiceKey
from .resource_store import ResourceStore

log = structlog.get_logger(__name__)

MEMORY_S = 30.0
"""How long the clients of a replica that vanished still count: long enough for them to come back to it or go to another."""


class Peers:
    """Keeps a link to every address there is to be a replica at, and the census and the catalog up to date with what they say."""

    def __init__(
        self,
        census: Census,
        catalog: Catalog,
        store: ResourceStore,
        addresses: Iterable[str] = (),
        service: ServiceRef | None = None,
        *,
        memory_s: float = MEMORY_S,
        rng: random.Random | None = None,
        security: Security | None = None,
    ) -> None:
        """`addresses` are HOST:PORT; the endpoints of `service` in the own catalog are added to them.

        With `security` the replicas behind the service must have a certificate for its name, NAME.NAMESPACE.svc.
        """
        self._census = census
        self._catalog = catalog
        self._store = store
        self._addresses = frozenset(addresses)
        self._service = service
        self._memory_s = memory_s
        self._rng = rng or random.Random()
        self._security = security
        self._topics = (
            Topic(READINESS, decode_readiness, self._heard_of_dates),
            Topic(CENSUS, decode_census, self._heard_of_clients),
        )
        self._links: dict[str, PeerLink] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._forgetting: dict[str, asyncio.TimerHandle] = {}

    @property
    def connected(self) -> int:
        """How many other replicas are connected."""
        return len({link.replica for link in self._links.values()} - {"", self._census.replica})

    def start(self) -> None:
        """Connect, and follow the service's endpoints from now on."""
        if self._service is not None:
            self._store.watch(self._service, self._moved)
        self._follow()

    async def heard_out(self, longest_s: float) -> None:
        """Return once every other replica that can be reached has told what it knows, or after so long."""
        settled = [asyncio.ensure_future(link.settled.wait()) for link in self._links.values()]
        if settled:
            await asyncio.wait(settled, timeout=longest_s)
            for waiting in settled:
                waiting.cancel()

    async def prepare(self) -> None:
        """Have at hand what other replicas will ask for, a service at a time: streams go on meanwhile."""
        if self._links or self._service is not None:
            for service in list(self._catalog.readiness.services()):
                self._catalog.readiness.resource(service, self._census.replica)
                await asyncio.sleep(0)

    async def stop(self) -> None:
        """End every link; what was heard stays."""
        if self._service is not None:
            self._store.unwatch(self._service, self._moved)
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for timer in self._forgetting.values():
            timer.cancel()

    def _moved(self, subject: Hashable) -> None:
        self._follow()

    def _follow(self) -> None:
        wanted = self._addresses | self._found()
        for address in wanted - self._links.keys():
            name = "" if address in self._addresses or self._service is None else _server_name(self._service)
            link = PeerLink(address, self._census.replica, self._topics, self._rng, self._security, name)
            self._links[address] = link
            self._tasks[address] = asyncio.create_task(link.run(self._lost), name=f"peer {address}")
        for address in self._links.keys() - wanted:
            del self._links[address]
            self._tasks.pop(address).cancel()

    def _found(self) -> set[str]:
        assignment = None if self._service is None else self._store.assignment(self._service)
        return set() if assignment is None else {endpoint.authority for _, endpoint in assignment.endpoints()}

    async def _heard_of_clients(self, replica: str, news: Mapping[str, ServiceCensus | None], everything: bool) -> None:
        self._remember(replica)
        gone = dict.fromkeys(self._census.heard_from(replica)) if everything else {}
        self._recount(replica, {**gone, **news})

    async def _heard_of_dates(
        self, replica: str, news: Mapping[str, ServiceReadiness | None], everything: bool
    ) -> None:
        self._remember(replica)
        said = {_service_key(service): one for service, one in news.items()}
        gone = dict.fromkeys(self._catalog.readiness.heard_from(replica)) if everything else {}
        for service, one in {**gone, **said}.items():
            self._redate(replica, service, one)
            # A replica that has just been met may know of every endpoint; streams go on meanwhile.
            await asyncio.sleep(0)

    def _remember(self, replica: str) -> None:
        if (timer := self._forgetting.pop(replica, None)) is not None:
            timer.cancel()

    def _lost(self, replica: str) -> None:
        # It may have two addresses, and answer at the other one still.
        if not any(link.replica == replica for link in self._links.values()):
            loop = asyncio.get_running_loop()
            self._forgetting[replica] = loop.call_later(self._memory_s, self._forget, replica)

    def _forget(self, replica: str) -> None:
        del self._forgetting[replica]
        log.info("peer is gone for good, its clients count no more", replica=replica, after_s=self._memory_s)
        self._recount(replica, dict.fromkeys(self._census.heard_from(replica)))
        for service in self._catalog.readiness.heard_from(replica):
            self._redate(replica, service, None)

    def _recount(self, replica: str, news: Mapping[str, ServiceCensus | None]) -> None:
        for service, said in news.items():
            self._store.recounted(service, shares_changed=self._census.heard(replica, service, said))

    def _redate(self, replica: str, service: ServiceKey, said: ServiceReadiness | None) -> None:
        heard = self._catalog.readiness.hear(replica, service, {} if said is None else said.sightings)
        if heard.dated:
            self._store.apply(self._catalog.redate(service))
        if heard.told:
            self._catalog.readiness.resource(service, self._census.replica)
            self._store.redated(service)


def _service_key(service: str) -> ServiceKey:
    name, _, namespace = service.partition(".")
    return namespace, name


def _server_name(service: ServiceRef) -> str:
    return f"{service.name}.{service.namespace}.svc"
