"""What the contenders that are not ours have in common: a list of reachable nodes, and a rule."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

from ...balance import Node, Pick, Request
from ...model import Assignment, Endpoint, Health
from ..chooser import Surroundings
from ..pod import Pod


class ForeignChooser(ABC):
    """Knows the healthy endpoints as the control plane tells them, and leaves out those it cannot connect to."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.surroundings = surroundings
        self.nodes: Sequence[Node] = ()
        """Whom `choose` may choose: there is at least one when it is asked."""
        self._known: dict[int, Node] = {}
        self._timeline = surroundings.timeline

    def pick(self, request: Request) -> Pick | None:
        """A pod for this request, None if there is none."""
        if not self.nodes:
            return None
        return Pick(self.choose(), self._timeline.now)

    @abstractmethod
    def choose(self) -> Node:
        """The rule."""

    def changed(self) -> None:  # noqa: B027 (a hook: most rules do not care)
        """`nodes` are other ones than before."""

    def update(self, assignment: Assignment) -> None:
        """The control plane's latest word arrived."""
        self.connect(endpoint for _, endpoint in assignment.endpoints() if endpoint.health is Health.HEALTHY)

    def pod_changed(self, pod: Pod) -> None:
        """A connection broke or was made again."""
        if pod.index in self._known:
            self._publish()

    def connect(self, endpoints: Iterable[Endpoint]) -> None:
        """Use these endpoints from now on. Nodes that stay keep their calls in flight."""
        before, self._known = self._known, {}
        for endpoint in endpoints:
            pod = self.surroundings.pod(endpoint)
            self._known[pod.index] = before.get(pod.index) or Node(endpoint, transport=pod)
        self._publish()

    def _publish(self) -> None:
        reachable = [node for node in self._known.values() if pod_of(node).up]
        # With nobody reachable all are tried, as by any client that keeps reconnecting.
        self.nodes = reachable or list(self._known.values())
        self.changed()


def pod_of(node: Node) -> Pod:
    """The pod that a node of the simulation stands for."""
    assert isinstance(node.transport, Pod)
    return node.transport
