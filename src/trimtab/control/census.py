"""In which zones the clients of each service sit: one of the two inputs of zone weights.

Counts change whenever a client comes or goes; weights must not. So what others see of a count is published: shares in
sixtieths, renewed only when the truth has moved by more than one client and more than a twentieth of all. One client
connecting re-pushes nobody, and two replicas that see almost the same clients publish the same shares.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping

QUANTA = 60
"""Shares are counted in 1/60: halves, thirds, quarters, fifths and sixths are exact."""
_TOLERANCE = 0.05


class Census:
    """Clients per service and zone, and the shares published from them.

    A control plane that has just started knows few of the clients it will have; so nothing is published before `warm`.
    """

    def __init__(self) -> None:
        self._warm = False
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._published: dict[str, dict[str, int]] = {}

    def joined(self, service: str, zone: str) -> bool:
        """A client of `zone` subscribed. True: the published shares changed."""
        self._counts[service][zone] += 1
        return self._renew(service)

    def left(self, service: str, zone: str) -> bool:
        """A client of `zone` is gone. True: the published shares changed."""
        counts = self._counts[service]
        counts[zone] -= 1
        if not counts[zone]:
            del counts[zone]
        return self._renew(service)

    def warm(self) -> set[str]:
        """The clients had time to connect: publish what was counted. The services for which that changed something."""
        self._warm = True
        return {service for service in self._counts if self._renew(service)}

    def counts(self, service: str) -> Mapping[str, int]:
        """Clients per zone as they are now; clients of unknown zone under an empty string."""
        return self._counts.get(service, {})

    def shares(self, service: str) -> Mapping[str, int] | None:
        """Published shares of the zones in sixtieths; None while they are not known."""
        return self._published.get(service)

    def _renew(self, service: str) -> bool:
        counts = {zone: count for zone, count in self._counts[service].items() if zone}
        # With nobody left there is nobody to tell, and those who come back meet what they left.
        if not self._warm or not counts:
            return False
        if not _moved(counts, self._published.get(service, {})):
            return False
        shares = quantised(counts)
        changed = shares != self._published.get(service)
        self._published[service] = shares
        return changed


def quantised(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts as shares of `QUANTA`, by largest remainder; a zone with clients has at least one."""
    total = sum(counts.values())
    exact = {zone: QUANTA * count / total for zone, count in counts.items()}
    shares = {zone: max(1, int(share)) for zone, share in exact.items()}
    by_remainder = sorted(exact, key=lambda zone: (int(exact[zone]) - exact[zone], zone))
    for zone in by_remainder[: max(0, QUANTA - sum(shares.values()))]:
        shares[zone] += 1
    return shares


def _moved(counts: Mapping[str, int], published: Mapping[str, int]) -> bool:
    total = sum(counts.values())
    scale = total / sum(published.values()) if published else 0.0
    slack = max(1.0, _TOLERANCE * total)
    return any(abs(counts.get(zone, 0) - published.get(zone, 0) * scale) > slack for zone in {*counts, *published})
