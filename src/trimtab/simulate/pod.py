"""A pod as a queue: some requests are worked on at a time, the others wait in order of arrival."""

import random
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Final

from ..model import Endpoint, Locality
from .call import Call
from .timeline import Timeline

OK: Final = "OK"
NOWHERE: Final = Locality()
FAILED: Final = "INTERNAL"
REFUSED: Final = "UNAVAILABLE"
WorkOn = Callable[[Call], float]


class Pod:
    """One server. What `pace`, `failure_rate`, `up` and `hanging` say holds for requests that begin from then on."""

    __slots__ = (
        "_queue",
        "_rng",
        "_timeline",
        "busy",
        "busy_s",
        "concurrency",
        "ended_s",
        "endpoint",
        "failure_rate",
        "failure_s",
        "group",
        "hanging",
        "index",
        "load",
        "locality",
        "pace",
        "started_s",
        "up",
        "work_on",
    )

    def __init__(
        self,
        index: int,
        endpoint: Endpoint,
        timeline: Timeline,
        rng: random.Random,
        *,
        group: str = "",
        locality: Locality = NOWHERE,
        concurrency: int = 1,
    ) -> None:
        self.index = index
        self.endpoint = endpoint
        self.group = group
        """Name of the group of alike pods it belongs to."""
        self.locality = locality
        self.concurrency = concurrency
        """Requests worked on at a time."""
        self.pace = 1.0
        """Seconds it takes for one second of demand: 1 / speed, times whatever slows the pod down."""
        self.work_on: WorkOn | None = None
        """Seconds that a pod of speed 1 works on a call, where that is not what the call demands."""
        self.failure_rate = 0.0
        """Share of requests that fail without being worked on."""
        self.failure_s = 0.0
        """How long such a failure takes."""
        self.up = True
        """Takes connections."""
        self.started_s = 0.0
        """When it came up last."""
        self.ended_s = inf
        """When it was told to stop or crashed; from then on nobody need send it anything."""
        self.hanging = False
        """Takes requests and never answers."""
        self.load = 0
        """Requests that are here: worked on and waiting. A plain number, because whoever looks for the shortest queue asks every pod."""
        self.busy = 0
        self.busy_s = 0.0
        """Time spent on requests, summed over those worked on at a time."""
        self._queue: deque[Call] = deque()
        self._timeline = timeline
        self._rng = rng

    def receive(self, call: Call) -> None:
        """A request arrived."""
        if not self.up:
            self._answer(call, REFUSED, 0.0)
        elif self.hanging:
            return
        elif self.failure_rate and self._rng.random() < self.failure_rate:
            self._answer(call, FAILED, self.failure_s)
        else:
            self.load += 1
            if self.busy < self.concurrency:
                self.busy += 1
                self._begin(call)
            else:
                self._queue.append(call)

    def open(self) -> None:
        """Take connections from now on."""
        self.up, self.started_s, self.ended_s = True, self._timeline.now, inf

    def close(self) -> None:
        """Take no more connections; what is here is still answered."""
        self.up = False

    def crash(self) -> None:
        """Connections break: whatever is here fails now."""
        self.up, self.ended_s = False, self._timeline.now
        lost = [*self._timeline.withdraw(self._finish), *self._queue]
        self._queue.clear()
        self.busy = self.load = 0
        for call in lost:
            self._answer(call, REFUSED, 0.0)

    def _begin(self, call: Call) -> None:
        demand_s = call.demand_s if self.work_on is None else self.work_on(call)
        duration_s = demand_s * self.pace
        self.busy_s += duration_s
        timeline = self._timeline
        timeline.at(timeline.now + duration_s, self._finish, call)

    def _finish(self, call: Call) -> None:
        queue = self._queue
        self.load -= 1
        while queue:
            following = queue.popleft()
            # A server does not begin what its client has given up on (gRPC cancels it).
            if not following.ended:
                self._begin(following)
                break
            self.load -= 1
        else:
            self.busy -= 1
        self._answer(call, OK, 0.0)

    def _answer(self, call: Call, status: str, after_s: float) -> None:
        call.status = status
        after_s += call.delay_s
        if after_s:
            self._timeline.at(self._timeline.now + after_s, call.client.receive, call)
        else:
            call.client.receive(call)
