"""The course of events: what a scenario says will happen, put on the timeline."""

from collections.abc import Callable, Sequence
from functools import partial

from .client import Client
from .directory import Directory
from .event import AnyEvent, Crash, Event, Fail, Hang, Outage, Roll, Slow, Start, Stop
from .fleet import Fleet
from .pod import Pod
from .scenario import Scenario
from .timeline import Timeline

_MS = 1e-3


class Course:
    """Lets the events of a scenario happen to a fleet."""

    def __init__(self, scenario: Scenario, fleet: Fleet, directory: Directory, timeline: Timeline) -> None:
        self._scenario = scenario
        self._fleet = fleet
        self._directory = directory
        self._timeline = timeline
        self._clients: Sequence[Client] = ()
        late = (event for event in scenario.events if isinstance(event, Start))
        self._late = {pod.index for event in late for pod in self._meant(event)}

    def begin(self, clients: Sequence[Client]) -> None:
        """Everybody who is there at the start is there; the rest is announced."""
        for pod in self._fleet.pods:
            if pod.index in self._late:
                pod.up = False
            else:
                self._directory.ready(pod)
        for pod in self._fleet.cold():
            if pod.up:
                self._fleet.warm_up(pod)
        self._directory.open(clients)
        self._clients = clients
        for event in self._scenario.events:
            self._announce(event)

    def _at(self, at_s: float, happen: Callable[[], None]) -> None:
        self._timeline.at(at_s + self._scenario.warm_up_s, lambda _: happen())

    def _meant(self, event: Event) -> Sequence[Pod]:
        return self._fleet.select(event.pods, event.zone, event.first)

    def _announce(self, event: AnyEvent) -> None:
        match event:
            case Slow():
                self._for_a_while(event, self._slow(event.factor), self._slow(1 / event.factor))
            case Fail():
                self._for_a_while(event, self._fail(event.share, event.after_ms * _MS), self._fail(0.0, 0.0))
            case Hang():
                self._for_a_while(event, self._hang(True), self._hang(False))
            case Crash():
                self._for_a_while(event, self._crash, self._start)
                for pod in self._meant(event):
                    self._at(event.at_s + event.noticed_after_s, partial(self._notice, pod))
            case Start():
                self._at(event.at_s, partial(self._each, event, self._start))
            case Stop():
                self._at(event.at_s, lambda: self._each(event, lambda pod: self._stop(pod, event.grace_s)))
            case Roll():
                for number, pod in enumerate(self._meant(event)):
                    self._at(event.at_s + number * event.every_s, partial(self._replace, pod, event.grace_s))
            case Outage():
                self._at(event.at_s, lambda: self._directory.outage(True))
                self._at(event.until_s, lambda: self._directory.outage(False))

    def _for_a_while(
        self, event: Slow | Fail | Hang | Crash, begin: Callable[[Pod], None], end: Callable[[Pod], None]
    ) -> None:
        self._at(event.at_s, lambda: self._each(event, begin))
        if event.until_s is not None:
            self._at(event.until_s, lambda: self._each(event, end))

    def _each(self, event: Event, happen: Callable[[Pod], None]) -> None:
        for pod in self._meant(event):
            happen(pod)

    def _slow(self, factor: float) -> Callable[[Pod], None]:
        def happen(pod: Pod) -> None:
            pod.pace *= factor

        return happen

    def _fail(self, share: float, after_s: float) -> Callable[[Pod], None]:
        def happen(pod: Pod) -> None:
            pod.failure_rate, pod.failure_s = share, after_s

        return happen

    def _hang(self, hanging: bool) -> Callable[[Pod], None]:
        def happen(pod: Pod) -> None:
            pod.hanging = hanging

        return happen

    def _crash(self, pod: Pod) -> None:
        pod.crash()
        self._connections_notice(pod)

    def _notice(self, pod: Pod) -> None:
        if not pod.up:
            self._directory.gone(pod)

    def _start(self, pod: Pod) -> None:
        pod.open()
        self._fleet.warm_up(pod)
        self._directory.ready(pod)
        self._connections_notice(pod)

    def _stop(self, pod: Pod, grace_s: float) -> None:
        self._directory.draining(pod)
        pod.ended_s = self._timeline.now

        def close(_: object) -> None:
            pod.close()
            self._directory.gone(pod)
            self._connections_notice(pod)

        self._timeline.at(self._timeline.now + grace_s, close)

    def _replace(self, pod: Pod, grace_s: float) -> None:
        self._start(self._fleet.successor(pod))
        self._stop(pod, grace_s)

    def _connections_notice(self, pod: Pod) -> None:
        for client in self._clients:
            client.pod_changed(pod)
