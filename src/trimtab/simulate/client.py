"""A client: sends requests where its chooser says, and writes down what became of them."""

from collections.abc import Callable, Mapping
from typing import Final

from ..balance import Outcome, Request
from ..errors import TooManyRequests
from ..model import Assignment, Locality
from .call import Call
from .chooser import Chooser
from .deadlines import EXPIRED, Deadlines
from .ledger import Ledger
from .pod import FAILED, OK, REFUSED, Pod
from .timeline import Timeline

NO_ENDPOINTS: Final = "NO_ENDPOINTS"
"""The chooser had nobody to send to."""
STATUSES: Final = (OK, FAILED, REFUSED, EXPIRED, NO_ENDPOINTS)
"""Every way a request can end here."""
_OUTCOMES: Final = {status: Outcome(status) for status in STATUSES}
Latency = Mapping[tuple[Locality, Locality], float]
"""Seconds the network takes one way between two localities; nothing where a pair is missing."""


class Client:
    """One process with one chooser."""

    __slots__ = ("_chooser", "_deadlines", "_latency_s", "_ledger", "_timeline", "locality", "on_answer")

    def __init__(
        self,
        locality: Locality,
        chooser: Chooser,
        timeline: Timeline,
        ledger: Ledger,
        latency_s: Latency,
        deadlines: Deadlines | None = None,
    ) -> None:
        self.locality = locality
        self.on_answer: Callable[[Client], None] | None = None
        """Called whenever a request ended; a user who waits for the answer sends the next one then."""
        self._chooser = chooser
        self._timeline = timeline
        self._ledger = ledger
        self._latency_s = latency_s
        self._deadlines = deadlines

    def send(self, request: Request, demand_s: float) -> None:
        """Send one request that asks `demand_s` of work."""
        now = self._timeline.now
        try:
            pick = self._chooser.pick(request)
        except TooManyRequests:
            self._ledger.write(now, 0.0, None, self.locality, REFUSED)
            return
        if pick is None:
            self._ledger.write(now, 0.0, None, self.locality, NO_ENDPOINTS)
            return
        call = Call(self, request, now, demand_s, pick)
        pod: Pod = pick.node.transport  # type: ignore[assignment]
        if self._deadlines is not None:
            self._deadlines.watch(call)
        if self._latency_s and (delay_s := self._latency_s.get((self.locality, pod.locality), 0.0)):
            call.delay_s = delay_s
            self._timeline.at(now + delay_s, pod.receive, call)
        else:
            pod.receive(call)

    def receive(self, call: Call) -> None:
        """The answer to `call` arrived."""
        if not call.ended:
            self.end(call)

    def end(self, call: Call) -> None:
        """The request ended with `call.status`, by an answer or by its deadline."""
        call.ended = True
        call.pick.done(_OUTCOMES[call.status])
        pod: Pod = call.pick.node.transport  # type: ignore[assignment]
        now, started_s = self._timeline.now, call.started_s
        self._ledger.write(started_s, now - started_s, pod, self.locality, call.status)
        if self.on_answer is not None:
            self.on_answer(self)

    def update(self, assignment: Assignment) -> None:
        """The control plane's latest word arrived."""
        self._chooser.update(assignment)

    def pod_changed(self, pod: Pod) -> None:
        """A pod went down or came back; connections notice."""
        self._chooser.pod_changed(pod)
