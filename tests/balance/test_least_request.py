import random
import sys
from collections import Counter, deque
from dataclasses import replace
from math import inf
from threading import Thread

import pytest

from tests.balance import fleet
from tests.balance.virtual import World, world
from trimtab.balance import Connectivity, Node, Outcome, Pick, Request
from trimtab.balance.least_request import LeastRequest
from trimtab.balance.quota import Quota
from trimtab.model import OutlierDetection, Policy

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


def test_who_went_to_another_board_leaves_no_score_behind_that_could_win() -> None:
    nodes = fleet.nodes(3)
    least_request = strategy()
    least_request.picker(nodes)
    # Alone in its zone, as it is drawn anew.
    alone, others = least_request.picker(nodes[:1]), nodes[1:]
    limit(nodes[0])
    picker = least_request.picker(others)
    for _ in range(4):
        Pick(picker.pick(REQUEST), 0.0)
    assert [node.in_flight for node in others] == [2, 2]
    assert alone.pick(REQUEST) is nodes[0]


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


@pytest.mark.parametrize("idle", [2, 10, 50])
@pytest.mark.parametrize("weight", [1, 3, 1000])
@pytest.mark.parametrize("calls_end", [True, False])
def test_of_those_that_are_idle_each_is_picked_by_its_share_whoever_stands_beside_it(
    idle: int, weight: int, calls_end: bool
) -> None:
    nodes = fleet.nodes(100)
    free = random.Random(2).sample(nodes, idle)
    for node in free[::2]:
        node.endpoint = replace(node.endpoint, weight=weight)
    for node in nodes:
        node.reweigh()
    picker = strategy().picker(nodes)
    for node in set(nodes) - set(free):
        Pick(node, 0.0)
    counts: Counter[Node] = Counter()
    for _ in range(10_000):
        node = picker.pick(REQUEST)
        counts[node] += 1
        if calls_end:
            Pick(node, 0.0).abandon()
    total = sum(node.share for node in free)
    for node in nodes:
        fair = 10_000 * node.share / total if node in free else 0.0
        # Six standard deviations.
        assert abs(counts[node] - fair) <= 6 * fair**0.5


def test_who_becomes_idle_is_one_of_those_that_are() -> None:
    nodes = fleet.nodes(100)
    picker = strategy().picker(nodes)
    calls = {node: Pick(node, 0.0) for node in nodes}
    rng = random.Random(3)
    for _ in range(60):
        for node in rng.sample(nodes, 20):
            if node in calls:
                calls.pop(node).abandon()
            else:
                calls[node] = Pick(node, 0.0)
        counts = Counter(picker.pick(REQUEST) for _ in range(30 * (100 - len(calls))))
        assert counts.keys() == set(nodes) - calls.keys()


def test_after_a_long_time_with_one_best_node_equals_are_all_known_again() -> None:
    nodes = fleet.nodes(100)
    picker = strategy().picker(nodes)
    calls = [Pick(node, 0.0) for node in nodes]
    for idle in (10, 1, 10):
        free = random.Random(idle).sample(calls, idle)
        for call in free:
            call.abandon()
        counts = Counter(picker.pick(REQUEST) for _ in range(300))
        assert counts.keys() == {call.node for call in free}
        calls = [*(call for call in calls if call not in free), *(Pick(call.node, 0.0) for call in free)]


def test_every_pick_is_one_that_a_look_at_all_nodes_would_make_whatever_happened_before() -> None:
    for seed in range(20):
        rng = random.Random(seed)
        shop = World(POLICY, seed=seed)
        shop.assign(*fleet.endpoints(rng.randint(1, 40)))
        calls: list[Pick] = []
        for _ in range(600):
            happen(shop, calls, rng)
            known = list(shop.balancer.nodes)
            for node in known:
                assert node.score == (inf if node.held else pytest.approx(node.in_flight / weight(node)))
                assert not node.held or node.quota is not None
            fit = [node for node in known if node.connectivity is Connectivity.READY and node.ejected_until is None]
            before = {node: (node.score, node.quota is None) for node in known}
            pick = shop.balancer.pick(REQUEST)
            assert pick is not None
            calls.append(pick)
            score, unlimited = before.get(pick.node, (0.0, False))
            if fit and unlimited:
                assert pick.node in fit
                assert score == min(score for node in fit for score, free in [before[node]] if free)


POLICY = Policy(
    "least_request", slow_start_s=5.0, outlier_detection=OutlierDetection(base_ejection_time_s=2.0, interval_s=1.0)
)


def weight(node: Node) -> float:
    return node.endpoint.weight * node.ramp * node.success


def happen(shop: World, calls: list[Pick], rng: random.Random) -> None:
    """Anything that may happen to a client between two picks."""
    balancer = shop.balancer
    shop.now += rng.choice([0.0, 0.0, 0.001, 0.05, 0.5])
    for _ in range(rng.randint(0, 2)):
        if calls:
            calls.pop(rng.randrange(len(calls))).done(
                Outcome(rng.choice(["OK", "OK", "OK", "UNAVAILABLE", "CANCELLED"]))
            )
    what = rng.random()
    if what < 0.03:
        count, start = rng.randint(1, 40), rng.randint(0, 10)
        shop.assign(*(replace(e, weight=rng.randint(1, 3)) for e in fleet.endpoints(count, start=start)))
    elif what < 0.06:
        state = rng.choice([Connectivity.READY, Connectivity.READY, Connectivity.TRANSIENT_FAILURE])
        balancer.connectivities_changed(dict.fromkeys(rng.sample(sorted(balancer.nodes, key=str), 1), state))
    elif what < 0.08:
        balancer.adopt(rng.choice([POLICY, replace(POLICY, slow_start_s=0.0), replace(POLICY, outlier_detection=None)]))
    # Whatever the pick to come would refresh.
    balancer.refresh()


def test_threads_that_pick_and_end_calls_leave_nothing_wrong_for_longer_than_a_second() -> None:
    shop, nodes = world(40, Policy("least_request", slow_start_s=3600.0))
    nodes += shop.assign(*fleet.endpoints(60))
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [Thread(target=call, args=(shop, random.Random(seed))) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switching)
    assert not any(node.in_flight for node in nodes)
    shop.now += 1.1
    shop.balancer.refresh()
    assert all(node.score == (inf if node.held else 0.0) for node in nodes)
    assert not [node for node in nodes if node.held and node.quota is None]
    # Nobody is overlooked: as many calls as there are nodes without a quota go to all of them.
    free = {node for node in nodes if node.quota is None}
    picks = [shop.balancer.pick(REQUEST) for _ in range(2 * len(free))]
    assert free <= {pick.node for pick in picks if pick is not None}


def call(shop: World, rng: random.Random) -> None:
    held: deque[Pick] = deque()
    for _ in range(3000):
        pick = shop.balancer.pick(REQUEST)
        assert pick is not None
        held.append(pick)
        if len(held) > 5:
            held.rotate(rng.randrange(5))
            held.popleft().done(Outcome("OK"))
    for pick in held:
        pick.done(Outcome("OK"))
