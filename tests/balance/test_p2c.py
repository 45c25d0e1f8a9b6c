import random
from collections import Counter

from tests.balance import fleet
from trimtab.balance import Outcome, Pick, Request
from trimtab.balance.p2c import PowerOfTwoChoices
from trimtab.model import Policy

REQUEST = Request("/shop.Shop/Buy")


def test_the_less_loaded_of_two_is_chosen() -> None:
    idle, busy = fleet.nodes(2)
    pick = Pick(busy, 0.0)
    picker = PowerOfTwoChoices(Policy(), random.Random(1)).picker([idle, busy])
    assert {picker.pick(REQUEST) for _ in range(100)} == {idle}
    pick.done(Outcome("OK"))


def test_the_two_are_distinct_so_the_most_loaded_node_is_never_chosen() -> None:
    nodes = fleet.nodes(5)
    picks = [Pick(nodes[3], 0.0) for _ in range(2)] + [Pick(node, 0.0) for node in nodes if node is not nodes[3]]
    picker = PowerOfTwoChoices(Policy(), random.Random(1)).picker(nodes)
    assert nodes[3] not in {picker.pick(REQUEST) for _ in range(2_000)}
    for pick in picks:
        pick.done(Outcome("OK"))


def test_every_pair_is_drawn_equally_often() -> None:
    # With strictly ordered loads the winner tells the pair's better half: node k wins against all heavier ones.
    nodes = fleet.nodes(4)
    picks = [Pick(node, 0.0) for load, node in enumerate(nodes) for _ in range(load)]
    picker = PowerOfTwoChoices(Policy(), random.Random(1)).picker(nodes)
    draws = 60_000
    counts = Counter(picker.pick(REQUEST) for _ in range(draws))
    shares = [counts[node] / draws for node in nodes]
    expected = [3 / 6, 2 / 6, 1 / 6, 0]
    assert all(abs(share - ideal) < 0.01 for share, ideal in zip(shares, expected, strict=True))
    for pick in picks:
        pick.done(Outcome("OK"))


def test_a_slow_node_gets_less() -> None:
    # Closed loop in virtual time: node 0 answers after 50 ticks, the others after 10.
    nodes = fleet.nodes(4)
    picker = PowerOfTwoChoices(Policy(), random.Random(1)).picker(nodes)
    ends: list[tuple[int, Pick]] = []
    counts: Counter[int] = Counter()
    for now in range(20_000):
        for entry in [entry for entry in ends if entry[0] <= now]:
            ends.remove(entry)
            entry[1].done(Outcome("OK"))
        pick = Pick(picker.pick(REQUEST), now)
        index = nodes.index(pick.node)
        counts[index] += 1
        ends.append((now + (50 if index == 0 else 10), pick))
    assert counts[0] < 0.5 * min(counts[index] for index in (1, 2, 3))
