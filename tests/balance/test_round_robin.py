import random
from collections import Counter

from tests.balance import fleet
from trimtab.balance import Request
from trimtab.balance.round_robin import RoundRobin
from trimtab.model import Policy

REQUEST = Request("/shop.Shop/Buy")


def test_nodes_take_turns() -> None:
    nodes = fleet.nodes(3)
    picker = RoundRobin(Policy(), random.Random(1)).picker(nodes)
    counts = Counter(picker.pick(REQUEST) for _ in range(300))
    assert set(counts.values()) == {100}


def test_a_topology_change_does_not_restart_the_turn() -> None:
    nodes = fleet.nodes(5)
    strategy = RoundRobin(Policy(), random.Random(1))
    seen = [strategy.picker(nodes).pick(REQUEST) for _ in range(5)]
    assert len(set(seen)) == 5
