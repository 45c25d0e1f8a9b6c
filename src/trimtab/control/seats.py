"""Which of a service's clients each of them is: what clients choose their parts of large fleets by (docs/adr/0040).

Clients of one zone are counted apart from others, because with zone affinity they share endpoints with each other alone. Seats stay
while clients come and go: whoever comes takes the lowest that is free, whoever connects again has its old one. Only where too many
seats are empty does the client in the highest move into one.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ..model import Seat

_EMPTY = 32
"""One seat in so many may be empty; more of them and endpoints get uneven numbers of clients."""
_RENEWED = 8
"""The number of clients is told anew when it is off by more than one in so many: each change moves the ends of everybody's part."""
_HIGHEST = 1 << 16
"""Whoever claims to have had a seat beyond it gets another."""
Place = tuple[str, str]
"""Service and client zone."""


@dataclass(slots=True)
class _Table:
    clients: dict[str, int] = field(default_factory=dict)
    """Seats by client."""
    taken: dict[int, str] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Streams by client."""

    highest: int = -1
    """The highest seat that is taken; -1: none is."""
    full_below: dict[tuple[int, int], int] = field(default_factory=dict)
    """Up to where seats are taken, of those that a replica fills: where to begin looking for an empty one."""

    def seat(self, client: str, index: int) -> None:
        self.clients[client], self.taken[index] = index, client
        self.highest = max(self.highest, index)

    def vacate(self, client: str) -> None:
        """The client's seat is empty now, if it had one."""
        index = self.clients.pop(client, None)
        if index is None:
            return
        del self.taken[index]
        self.full_below = {turn: min(index, below) for turn, below in self.full_below.items()}
        while self.highest >= 0 and self.highest not in self.taken:
            self.highest -= 1

    def free(self, replicas: int, rank: int) -> int:
        """The lowest empty seat of those that this replica fills."""
        below = self.full_below.get((replicas, rank), 0)
        index = below + (rank - below) % replicas
        while index in self.taken:
            index += replicas
        # How many replicas there are changes rarely; what was true for another number is not worth keeping.
        self.full_below = {(replicas, rank): index}
        return index


class Seats:
    """Seats of the clients that are connected to this replica.

    A control plane that has just started tells nobody a seat before it is `warm`: first those who had one have it again, and how
    many there are is known.
    Of several replicas each fills every so-manieth seat, so that together they fill them evenly.
    """

    def __init__(self) -> None:
        self._tables: dict[Place, _Table] = {}
        self._early: list[tuple[Place, str]] = []
        """Who came new before `warm`."""
        self._warm = False
        self._counts: dict[str, int] = {}
        """Clients by service, as they are told."""

    def take(self, place: Place, client: str, held: int | None, replicas: int = 1, rank: int = 0) -> None:
        """A client asks for a seat. `held` is the one it had on an earlier stream, perhaps of another replica."""
        table = self._tables.setdefault(place, _Table())
        table.users[client] += 1
        if client in table.clients:
            return
        if held is not None and held not in table.taken and held <= _HIGHEST:
            table.seat(client, held)
        elif self._warm:
            table.seat(client, table.free(replicas, rank))
        else:
            self._early.append((place, client))

    def warm(self, replicas: Callable[[str], tuple[int, int]]) -> Iterable[tuple[str, str]]:
        """Clients had time to come back. Returns services and clients who are to be told their seats.

        `replicas` says of a service how many replicas there are, and which of them this is.
        """
        self._warm = True
        early, self._early = self._early, []
        for place, client in early:
            table = self._tables.get(place)
            if table is not None and table.users[client] and client not in table.clients:
                table.seat(client, table.free(*replicas(place[0])))
        return [(service, client) for (service, _), table in self._tables.items() for client in table.clients]

    def leave(self, place: Place, client: str, replicas: int = 1, rank: int = 0) -> Iterator[str]:
        """A client asks no more. Yields the client that moved because of that, if one did."""
        table = self._tables[place]
        table.users[client] -= 1
        if table.users[client]:
            return
        del table.users[client]
        table.vacate(client)
        if not table.users:
            del self._tables[place]
        if not self._warm or not table.clients:
            return
        empty, unused = table.free(replicas, rank), table.highest // replicas + 1 - len(table.clients)
        if empty < table.highest and unused > max(1, len(table.clients) // _EMPTY):
            mover = table.taken[table.highest]
            table.vacate(mover)
            table.seat(mover, empty)
            yield mover

    def count(self, service: str, clients: int) -> bool:
        """There are so many clients of a service now. True: that is news to them."""
        told = self._counts.get(service, 0)
        if not clients:
            self._counts.pop(service, None)
            return False
        if told and abs(clients - told) * _RENEWED <= told:
            return False
        self._counts[service] = clients
        return self._warm and clients != told

    def told(self, service: str) -> int:
        """How many clients of a service there are, as they are told; 0: none of them has a seat."""
        return self._counts.get(service, 0) if self._warm and any(self.clients(service)) else 0

    def of(self, place: Place, client: str) -> Seat | None:
        """The seat of a client; None: it asked for none, or it is too early to tell."""
        table = self._tables.get(place) if self._warm else None
        index = None if table is None else table.clients.get(client)
        return None if index is None else Seat.among(place[1], index, max(1, self._counts.get(place[0], 0)))

    def clients(self, service: str) -> Iterator[str]:
        """Who has a seat among the clients of a service."""
        return (client for place, table in self._tables.items() if place[0] == service for client in table.clients)
