"""The production balancer, given virtual time."""

from collections.abc import Callable

from ...balance import Balancer, Changes, Connectivity, Node, Pick, Request
from ...model import Assignment, Policy
from ..chooser import Chooser, Contender, Surroundings
from ..pod import Pod


class TrimtabChooser:
    """What `trimtab.client` does around a Balancer: connect what it opened, let go of what it closed."""

    def __init__(self, surroundings: Surroundings, policy: Policy) -> None:
        self._surroundings = surroundings
        self._label = None if policy.shards is None else policy.shards.label
        self.balancer = Balancer(
            policy,
            client_id=surroundings.client_id,
            rng=surroundings.rng,
            clock=surroundings.timeline.clock,
            wake=self._refresh,
        )
        self.balancer.seated(surroundings.seat)
        self.pick: Callable[[Request], Pick | None] = self.balancer.pick
        self._nodes: dict[int, Node] = {}

    def update(self, assignment: Assignment) -> None:
        """The control plane's latest word arrived."""
        self._follow(self.balancer.update(assignment))

    def _refresh(self) -> None:
        self._follow(self.balancer.refresh())

    def _follow(self, changes: Changes) -> None:
        """Connections are made at once: what takes time in a cluster is hearing of a pod."""
        for node in changes.closed:
            node.retire(_let_go)
            del self._nodes[_pod(node).index]
        last: dict[str | None, Node] = {}
        for node in changes.opened:
            pod = self._surroundings.pod(node.endpoint)
            node.transport = pod
            self._nodes[pod.index] = node
            node.connectivity = _connectivity(pod)
            last[None if self._label is None else node.endpoint.label(self._label)] = node
        # All of them in the same moment: told one by one, the balancer of each shard would make a picker for each.
        for node in last.values():
            self.balancer.connectivity_changed(node, node.connectivity)

    def pod_changed(self, pod: Pod) -> None:
        """The connection breaks, or the attempts to reconnect succeed."""
        node = self._nodes.get(pod.index)
        if node is not None:
            self.balancer.connectivity_changed(node, _connectivity(pod))


def trimtab(policy: Policy) -> Contender:
    """Clients with Trimtab's library under `policy`."""

    def equip(surroundings: Surroundings) -> Chooser:
        return TrimtabChooser(surroundings, policy)

    return equip


def _connectivity(pod: Pod) -> Connectivity:
    return Connectivity.READY if pod.up else Connectivity.TRANSIENT_FAILURE


def _pod(node: Node) -> Pod:
    assert isinstance(node.transport, Pod)
    return node.transport


def _let_go(node: Node) -> None:
    """A connection closes without cost."""
