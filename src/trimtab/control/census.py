"""In which zones the clients of each service sit: one of the two inputs of zone weights.

Counts change whenever a client comes or goes; weights must not. So what others see of a count is published: shares in
sixtieths, renewed only when the truth has moved by more than one client and more than a twentieth of all. One client
connecting re-pushes nobody.

Replicas of the control plane tell each other what they count, and each knows the sum. What is published depends on what was
published before; so of those that publish, the one that started first decides, and the others take over its shares
(docs/adr/0015).
"""

import secrets
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from ..balance.zone_weights import quantised
from ..xds.service_census import ServiceCensus

_TOLERANCE = 0.05
_ABANDONED = 1_000
"""Of how many services without clients the shares are kept, for those who come back."""


def replica_name() -> str:
    """A name for this process that no other has; who started later has a greater one."""
    return f"{time.time_ns():016x}-{secrets.token_hex(4)}"


@dataclass(slots=True)
class _Service:
    """What is known of the clients of one service."""

    own: Counter[str] = field(default_factory=Counter)
    peers: dict[str, ServiceCensus] = field(default_factory=dict)
    """What other replicas said, by replica."""
    shares: Mapping[str, int] | None = None

    def total(self) -> Counter[str]:
        """Clients of all replicas by zone; not to be changed."""
        if not self.peers:
            return self.own
        return sum((Counter(said.clients) for said in self.peers.values()), self.own)


class Census:
    """Clients per service and zone, and the shares published from them.

    A control plane that has just started knows few of the clients it will have; so it publishes nothing of its own before
    `warm`, only what another replica has published.
    """

    def __init__(self, replica: str | None = None) -> None:
        self.replica = replica or replica_name()
        self._warm = False
        self._services: dict[str, _Service] = {}
        self._abandoned: dict[str, None] = {}

    def joined(self, service: str, zone: str) -> bool:
        """A client of `zone` subscribed. True: the published shares changed."""
        self._known(service).own[zone] += 1
        return self._settle(service)

    def left(self, service: str, zone: str) -> bool:
        """A client of `zone` is gone. True: the published shares changed."""
        own = self._known(service).own
        own[zone] -= 1
        if not own[zone]:
            del own[zone]
        return self._settle(service)

    def heard(self, replica: str, service: str, said: ServiceCensus | None) -> bool:
        """Another replica said what it knows now; None: nothing any more. True: the published shares changed."""
        peers = self._known(service).peers
        if said is None:
            peers.pop(replica, None)
        else:
            peers[replica] = said
        return self._settle(service)

    def heard_from(self, replica: str) -> Collection[str]:
        """The services of which another replica has said something."""
        return [name for name, service in self._services.items() if replica in service.peers]

    def warm(self) -> set[str]:
        """The clients had time to connect: publish what was counted. The services for which that changed something."""
        self._warm = True
        return {name for name in list(self._services) if self._settle(name)}

    def counts(self, service: str) -> Mapping[str, int]:
        """Clients per zone of all replicas as they are now; clients of unknown zone under an empty string."""
        return dict(self._services[service].total()) if service in self._services else {}

    def clients(self, service: str) -> int:
        """How many clients a service has, of all replicas."""
        return sum(self._services[service].total().values()) if service in self._services else 0

    def shares(self, service: str) -> Mapping[str, int] | None:
        """Published shares of the zones in sixtieths; None while they are not known."""
        return self._services[service].shares if service in self._services else None

    def replicas(self, service: str) -> list[str]:
        """The replicas that have clients of a service, in the order in which they started; this one is always among them."""
        peers = self._services[service].peers if service in self._services else ()
        return sorted({self.replica, *peers})

    def told(self, service: str) -> ServiceCensus | None:
        """What the other replicas are told; None: nobody has clients of this service."""
        known = self._services.get(service)
        if known is None or service in self._abandoned:
            return None
        return ServiceCensus(self.replica, dict(known.own), dict(known.shares or {}))

    def services(self) -> Iterator[str]:
        """Services of which the other replicas are told something."""
        return (service for service in self._services if service not in self._abandoned)

    def _known(self, service: str) -> _Service:
        if (known := self._services.get(service)) is None:
            known = self._services[service] = _Service()
        return known

    def _settle(self, service: str) -> bool:
        """Bring the published shares up to date. True: they changed."""
        known = self._services[service]
        total = known.total()
        self._keep(service, abandoned=not total)
        before, known.shares = known.shares, self._shares(known, total)
        return known.shares != before

    def _shares(self, known: _Service, total: Counter[str]) -> Mapping[str, int] | None:
        if not known.peers and not self._warm:
            return known.shares
        senior = min((replica for replica, said in known.peers.items() if said.shares), default=None)
        if senior is not None and (known.shares is None or senior < self.replica):
            return known.peers[senior].shares
        return (
            _renewed({zone: count for zone, count in total.items() if zone}, known.shares)
            if self._warm
            else known.shares
        )

    def _keep(self, service: str, *, abandoned: bool) -> None:
        self._abandoned.pop(service, None)
        if abandoned:
            self._abandoned[service] = None
        if len(self._abandoned) > _ABANDONED:
            oldest = next(iter(self._abandoned))
            del self._abandoned[oldest], self._services[oldest]


def _renewed(counts: Mapping[str, int], published: Mapping[str, int] | None) -> Mapping[str, int] | None:
    # With nobody left there is nobody to tell, and those who come back meet what they left.
    if not counts or (published and not _moved(counts, published)):
        return published
    return quantised(counts)


def _moved(counts: Mapping[str, int], published: Mapping[str, int]) -> bool:
    total = sum(counts.values())
    scale = total / sum(published.values())
    slack = max(1.0, _TOLERANCE * total)
    return any(abs(counts.get(zone, 0) - published.get(zone, 0) * scale) > slack for zone in {*counts, *published})
