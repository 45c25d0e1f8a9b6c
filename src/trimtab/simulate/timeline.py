"""Virtual time: what happens next happens now, whatever the wall clock says."""

import itertools
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

Action = Callable[[Any], None]


class Timeline:
    """A queue of events in order of time. Events of the same moment happen in the order they were announced."""

    __slots__ = ("_events", "_order", "now")

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds since the start."""
        self._events: list[tuple[float, int, Action, Any]] = []
        self._order = itertools.count()

    def clock(self) -> float:
        """`now`, as the clock that balancing takes."""
        return self.now

    def at(self, at_s: float, action: Action, argument: object = None) -> None:
        """Call `action(argument)` when it is `at_s`, at once (but not before this event ended) if that has passed."""
        heappush(self._events, (at_s, next(self._order), action, argument))

    def run(self, until_s: float) -> None:
        """Let everything happen that is due by `until_s`."""
        events = self._events
        while events and events[0][0] <= until_s:
            self.now, _, action, argument = heappop(events)
            action(argument)
        self.now = until_s

    def drain(self) -> None:
        """Let everything happen that is still to come; `now` is then the moment of the last event."""
        while self._events:
            self.run(self._events[0][0])

    def withdraw(self, action: Action) -> list[Any]:
        """Forget every event of `action`, and return their arguments in order of time."""
        events = self._events
        withdrawn = sorted(event for event in events if event[2] == action)
        # In place: `run` holds on to the list.
        events[:] = [event for event in events if event[2] != action]
        heapify(events)
        return [event[3] for event in withdrawn]
