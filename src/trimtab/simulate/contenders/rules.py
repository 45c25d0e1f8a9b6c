"""Rules that others choose by, one class each."""

from collections.abc import Sequence

from ...balance import Node
from ..chooser import Surroundings
from ..pod import Pod
from .foreign import ForeignChooser, pod_of


class EnvoyLeastRequest(ForeignChooser):
    """Envoy's LEAST_REQUEST over equal weights: `choice_count` draws *with* replacement, the first of equals wins.

    One node is compared with itself in 1 of n picks (envoyproxy/envoy#11004).
    """

    choice_count = 2

    def choose(self) -> Node:
        """The rule."""
        nodes, size, random = self.nodes, len(self.nodes), self.surroundings.rng.random
        best = nodes[int(random() * size)]
        for _ in range(self.choice_count - 1):
            other = nodes[int(random() * size)]
            if other.in_flight < best.in_flight:
                best = other
        return best


class ShortestQueue(ForeignChooser):
    """Join the shortest queue: looks into every pod at every pick. Nobody can, so it is a bound, not a contender."""

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._pods: Sequence[Pod] = ()

    def changed(self) -> None:
        """Whom to look into."""
        self._pods = [pod_of(node) for node in self.nodes]

    def choose(self) -> Node:
        """The rule; ties are broken at random."""
        loads = [pod.load for pod in self._pods]
        shortest = min(loads)
        ties = [node for node, load in zip(self.nodes, loads, strict=True) if load == shortest]
        return ties[int(self.surroundings.rng.random() * len(ties))]


class KubeProxy(ForeignChooser):
    """One HTTP/2 connection, which kube-proxy sent to a random pod when it was opened; all calls use it while it lives."""

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._pinned: Node | None = None

    def choose(self) -> Node:
        """The rule."""
        assert self._pinned is not None
        return self._pinned

    def changed(self) -> None:
        """Only losing its pod makes a client connect again; new pods get nothing from old connections."""
        if self._pinned not in self.nodes:
            self._pinned = self.surroundings.rng.choice(self.nodes) if self.nodes else None
