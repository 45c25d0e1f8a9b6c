"""gRPC's round robin over a headless Service: what many run today."""

from ...balance import Node
from ...model import Assignment, Endpoint, Health
from ..chooser import Surroundings
from ..pod import Pod
from .foreign import ForeignChooser


class HeadlessDns(ForeignChooser):
    """Round robin over the addresses of the last DNS answer.

    A gRPC channel asks DNS again only when a connection broke, and at most every 30 s (`min_time_between_resolutions`).
    So new pods get nothing until an old one goes away (grpc/grpc#30015). Addresses that cannot be connected to are
    skipped.
    """

    min_time_between_resolutions_s = 30.0

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._turn = surroundings.rng.randrange(1 << 16)
        self._answer: list[Endpoint] = []
        self._asked_s: float | None = None
        self._asking = False

    def choose(self) -> Node:
        """The rule."""
        self._turn += 1
        return self.nodes[self._turn % len(self.nodes)]

    def update(self, assignment: Assignment) -> None:
        """What DNS would answer from now on; nobody asks just because it changed."""
        self._answer = [endpoint for _, endpoint in assignment.endpoints() if endpoint.health is Health.HEALTHY]
        if self._asked_s is None:
            self._resolve()

    def pod_changed(self, pod: Pod) -> None:
        """A broken connection makes the channel ask again."""
        super().pod_changed(pod)
        if not pod.up and pod.index in self._known and not self._asking:
            now = self._timeline.now
            allowed_s = now if self._asked_s is None else self._asked_s + self.min_time_between_resolutions_s
            self._asking = True
            self._timeline.at(max(now, allowed_s), self._resolve)

    def _resolve(self, _: object = None) -> None:
        self._asking = False
        self._asked_s = self._timeline.now
        self.connect(self._answer)
