"""Requests whose client stops waiting."""

from collections import deque
from typing import Final

from .call import Call
from .timeline import Timeline

EXPIRED: Final = "DEADLINE_EXCEEDED"


class Deadlines:
    """One timeout for all, so requests expire in the order they were sent: a queue, and one event for its head."""

    def __init__(self, timeout_s: float, timeline: Timeline) -> None:
        self._timeout_s = timeout_s
        self._timeline = timeline
        self._waiting: deque[Call] = deque()

    def watch(self, call: Call) -> None:
        """End `call` when its time is up, unless it ended before."""
        if not self._waiting:
            self._timeline.at(call.started_s + self._timeout_s, self._expire)
        self._waiting.append(call)

    def _expire(self, _: object) -> None:
        waiting, timeline = self._waiting, self._timeline
        while waiting and (waiting[0].ended or waiting[0].started_s + self._timeout_s <= timeline.now):
            call = waiting.popleft()
            if not call.ended:
                call.status = EXPIRED
                call.client.end(call)
        if waiting:
            timeline.at(waiting[0].started_s + self._timeout_s, self._expire)
