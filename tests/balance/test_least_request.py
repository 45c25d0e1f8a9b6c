import random
from collections import Counter

from tests.balance import fleet
from trimtab.balance import Node, Pick, Request
from trimtab.balance.least_request import LeastRequest
from trimtab.balance.quota import Quota
from trimtab.model import Policy

REQUEST = Request("/shop.Shop/Buy")


def strategy() -> LeastRequest:
    return LeastRequest(Policy("least_request"), random.Random(1))


def limit(node: Node) -> None:
    node.quota, node.held = Quota(0, 0.0), True
    node.rescore()


def test_the_least_loaded_wins_after_every_change() -> None:
    nodes = fleet.nodes(30)
    picker = strategy().picker(nodes)
    for calls in range(3):
        assert Counter(Pick(picker.pick(REQUEST), 0.0).node for _ in nodes) == Counter(nodes)
        assert {node.in_flight for node in nodes} == {calls + 1}


def test_a_picker_without_those_who_have_a_quota_picks_none_of_them_even_if_it_grants_a_pick() -> None:
    nodes = fleet.nodes(12)
    for node in nodes[10:]:
        limit(node)
    least_request = strategy()
    everybody, unlimited = least_request.picker(nodes), least_request.picker(nodes[:10])
    for node in nodes[:10]:
        Pick(node, 0.0)
    nodes[11].held = False
    nodes[11].rescore()
    assert everybody.pick(REQUEST) is nodes[11]
    counts = Counter(unlimited.pick(REQUEST) for _ in range(2000))
    assert set(counts) == set(nodes[:10])
    # Among equals by share, six standard deviations.
    assert max(counts.values()) < 200 + 6 * 200**0.5


def test_a_picker_over_other_nodes_knows_their_scores() -> None:
    nodes = fleet.nodes(12)
    least_request = strategy()
    least_request.picker(nodes[:6])
    picker = least_request.picker(nodes)
    for node in nodes[:11]:
        Pick(node, 0.0)
    assert picker.pick(REQUEST) is nodes[11]
    part = least_request.picker(nodes[:11])
    Pick(nodes[3], 0.0).abandon()
    next(iter(nodes[3].outstanding)).abandon()
    assert part.pick(REQUEST) is nodes[3]


def test_shares_may_change_while_the_nodes_stay() -> None:
    nodes = fleet.nodes(10)
    least_request = strategy()
    least_request.picker(nodes)
    for node in nodes[5:]:
        node.success = 0.5
        node.reweigh()
    picker = least_request.picker(nodes)
    counts = Counter(picker.pick(REQUEST) for _ in range(9000))
    # A share is 1200 or 600 picks; six standard deviations.
    assert all(abs(counts[node] - 1200 * node.success) < 6 * (1200 * node.success) ** 0.5 for node in nodes)
