"""What a pod that asks for a ramp gets from a client of ours, in virtual time: real reports, real balancing."""

from collections import deque

import pytest

from tests.balance import fleet
from tests.balance.virtual import World
from trimtab.balance import Node
from trimtab.model import LoadReport, Policy
from trimtab.serving import Load
from trimtab.serving.load import Call

RATE = 400.0
TAKES_S = 0.02
RAMP_S = 12.0


class Pods:
    """Three that have served for a minute, and a fourth."""

    def __init__(self, policy: Policy) -> None:
        self._loads: dict[Node, Load] = {}
        self._calls: dict[Node, deque[Call]] = {}
        self._world = World(policy, report=self._ended)
        warm = self._world.assign(*fleet.endpoints(3))
        for node in warm:
            self._begin(node)
        self._world.run(60, RATE, self._answer)

    def join(self, *, ramped: bool) -> Node:
        """One more, known from now on."""
        (new,) = self._world.assign(*fleet.endpoints(4))
        load = self._begin(new)
        if ramped:
            load.ramp(RAMP_S)
        return new

    def shares(self, node: Node) -> list[float]:
        """Its calls relative to a fair share, every two seconds, until its ramp has ended and rates have followed."""
        return [4 * self._world.run(2, RATE, self._answer)[node] / (2 * RATE) for _ in range(12)]

    def _begin(self, node: Node) -> Load:
        self._loads[node], self._calls[node] = Load(capacity=8, clock=lambda: self._world.now), deque()
        return self._loads[node]

    def _answer(self, node: Node) -> tuple[float, str]:
        self._calls[node].append(self._loads[node].begin())
        return TAKES_S, "OK"

    def _ended(self, node: Node) -> LoadReport:
        # All calls take as long: the first that came is the first that ends.
        self._calls[node].popleft().end(failed=False)
        return self._loads[node].report()


def test_by_default_weights_follow_the_ramp_from_the_start() -> None:
    pods = Pods(Policy("weighted_round_robin"))
    shares = pods.shares(pods.join(ramped=True))
    assert shares[0] < 0.45
    assert shares[1] < 0.55
    assert shares[2] < 0.7
    assert shares[:5] == sorted(shares[:5])
    assert shares[-1] == pytest.approx(1, abs=0.15)


def test_who_does_not_ask_for_a_ramp_gets_its_share_at_once() -> None:
    pods = Pods(Policy("weighted_round_robin"))
    assert pods.shares(pods.join(ramped=False)) == pytest.approx([1.0] * 12, abs=0.2)


def test_p2c_does_not_listen_to_load_and_has_slow_start_instead() -> None:
    deaf = Pods(Policy("p2c"))
    assert deaf.shares(deaf.join(ramped=True))[0] > 0.8
    slow = Pods(Policy("p2c", slow_start_s=RAMP_S))
    assert slow.shares(slow.join(ramped=False))[0] < 0.45
