"""When requests are sent: at random at a rate (open loop), one after the other (closed loop), or as given."""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..balance import Request
from .client import Client
from .timeline import Timeline
from .work import Work


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests per second over time: a value holds from its moment to the next one."""

    steps: tuple[tuple[float, float], ...]
    """(from second, requests per second), by time; the first is at 0."""

    def after(self, now_s: float, work: float) -> float:
        """When `work` requests will have been due since `now_s`; infinity if that never happens."""
        for index, (_, rate) in enumerate(self.steps):
            ends_s = self.steps[index + 1][0] if index + 1 < len(self.steps) else math.inf
            if ends_s <= now_s:
                continue
            if rate > 0:
                due_s = now_s + work / rate
                if due_s <= ends_s:
                    return due_s
                work -= (ends_s - now_s) * rate
            now_s = ends_s
        return math.inf


class OpenLoop:
    """A Poisson process spread evenly over some clients. Nobody waits for an answer before sending the next."""

    def __init__(
        self, clients: Sequence[Client], rate: Rate, work: Work, timeline: Timeline, rng: random.Random
    ) -> None:
        self._clients = clients
        self._size = len(clients)
        self._rate = rate
        self._steady = rate.steps[0][1] if len(rate.steps) == 1 else None
        self._draw = work.draw
        self._timeline = timeline
        self._rng = rng
        self._until_s = math.inf

    def start(self, until_s: float) -> None:
        """Announce the first request; none is sent after `until_s`."""
        self._until_s = until_s
        self._announce()

    def _announce(self) -> None:
        now = self._timeline.now
        work = -math.log(1.0 - self._rng.random())
        due_s = now + work / self._steady if self._steady else self._rate.after(now, work)
        if due_s <= self._until_s:
            self._timeline.at(due_s, self._send)

    def _send(self, _: object) -> None:
        rng = self._rng
        # Drawn before anybody chooses, from a generator of its own: every contender gets the same requests.
        client = self._clients[int(rng.random() * self._size)]
        request, demand_s = self._draw(rng)
        self._announce()
        client.send(request, demand_s)


class ClosedLoop:
    """Users who wait for the answer before they send the next request."""

    def __init__(
        self, clients: Sequence[Client], users: int, work: Work, timeline: Timeline, rng: random.Random
    ) -> None:
        self._clients = clients
        self._users = users
        self._draw = work.draw
        self._timeline = timeline
        self._rng = rng
        self._until_s = math.inf

    def start(self, until_s: float) -> None:
        """All users send their first request; none is sent after `until_s`."""
        self._until_s = until_s
        for client in self._clients:
            client.on_answer = self._next
        for user in range(self._users):
            self._next(self._clients[user % len(self._clients)])

    def _next(self, client: Client) -> None:
        # Through the timeline: an answer that comes at once must not recurse.
        if self._timeline.now <= self._until_s:
            self._timeline.at(self._timeline.now, self._send, client)

    def _send(self, client: Client) -> None:
        client.send(*self._draw(self._rng))


class Sent(NamedTuple):
    """A request as somebody else sends it."""

    at_s: float
    """From the beginning of the warm-up."""
    client: int
    demand_s: float


class Replay:
    """The very requests that were sent elsewhere, to compare a simulation with what happened there."""

    def __init__(self, clients: Sequence[Client], sent: Iterable[Sent], timeline: Timeline) -> None:
        self._clients = clients
        self._sent = sent
        self._timeline = timeline
        self._request = Request("/simulated.Service/Call")

    def start(self) -> None:
        """Announce all of them."""
        for one in self._sent:
            self._timeline.at(one.at_s, self._send, one)

    def _send(self, one: Sent) -> None:
        self._clients[one.client].send(self._request, one.demand_s)
