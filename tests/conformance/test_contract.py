"""What every strategy owes its callers, whatever it is called and whoever wrote it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.balance import fleet
from tests.balance.virtual import REQUEST, Answer, World
from tests.conformance.entrants import Entrant, every_strategy
from trimtab.balance import Balancer, Choice, Connectivity, Cost, Node, Outcome, Pick, Request
from trimtab.model import (
    Assignment,
    Endpoint,
    Health,
    Locality,
    LocalityEndpoints,
    OutlierDetection,
)

OK = Outcome("OK")
SIZES = [1, 2, 3, 1000]


def weighted(count: int) -> list[Endpoint]:
    """Every second one is to get three times as much."""
    return [replace(endpoint, weight=1 + 2 * (i % 2)) for i, endpoint in enumerate(fleet.endpoints(count))]


def call(balancer: Balancer, key: object = None) -> Pick:
    pick = balancer.pick(REQUEST if key is None else Request("/s/m", attributes={"hash_key": key}))
    assert pick is not None
    return pick


def calls(balancer: Balancer, count: int) -> Counter[Node]:
    """Who got how many calls, one at a time, each of a key of its own."""
    counts: Counter[Node] = Counter()
    for key in range(count):
        pick = call(balancer, key)
        counts[pick.node] += 1
        pick.done(OK)
    return counts


def bound(ideal: float) -> float:
    """Six standard deviations above a share drawn by chance: what an unbiased choice exceeds once in a billion."""
    return ideal + 6 * sqrt(ideal)


@every_strategy
@pytest.mark.parametrize("size", SIZES)
def test_every_node_gets_its_share_while_idle(entrant: Entrant, size: int) -> None:
    balancer = entrant.balancer(fleet.endpoints(size))
    ideal = 200 if size < 1000 else 20
    counts: Counter[Node] = Counter()
    for _ in range(ideal * size):
        pick = call(balancer)
        counts[pick.node] += 1
        pick.done(OK)
    assert set(counts) == set(balancer.nodes)
    assert max(counts.values()) <= bound(ideal)


@every_strategy
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("in_flight", [0.5, 4.0], ids=["half of them busy", "all of them busy"])
def test_no_node_is_over_its_bound_under_load(entrant: Entrant, size: int, in_flight: float) -> None:
    world = World(entrant.policy())
    nodes = world.assign(*fleet.endpoints(size))
    ideal = 200 if size < 1000 else 20
    rate = in_flight * size / 0.05
    counts = world.run(ideal * size / rate, rate, lambda node: (world.rng.expovariate(1 / 0.05), "OK"))
    assert max(counts.values()) <= bound(counts.total() / size)
    assert set(counts) == set(nodes)


@every_strategy
@pytest.mark.parametrize("size", [2, 3, 20, 1000])
def test_weights_are_honoured_while_idle(entrant: Entrant, size: int) -> None:
    if not entrant.by_weight:
        pytest.skip("turns are equal by definition")
    counts = calls(entrant.balancer(weighted(size)), 20_000)
    assert heavy_share(counts) == pytest.approx(heavy_ideal(size), abs=ring_noise(size) if entrant.by_key else 0.02)


@every_strategy
@pytest.mark.parametrize("size", [2, 3, 20, 1000])
def test_weights_are_honoured_under_load(entrant: Entrant, size: int) -> None:
    if not entrant.by_weight:
        pytest.skip("turns are equal by definition")
    world = World(entrant.policy())
    world.assign(*weighted(size))
    rate = 8.0 * size / 0.05
    counts = world.run(20_000 / rate, rate, lambda node: (world.rng.expovariate(1 / 0.05), "OK"))
    assert heavy_share(counts) == pytest.approx(heavy_ideal(size), abs=0.04)


def heavy_share(counts: Counter[Node]) -> float:
    return sum(count for node, count in counts.items() if node.endpoint.weight == 3) / counts.total()


def heavy_ideal(size: int) -> float:
    heavy = size // 2
    return 3 * heavy / (size + 2 * heavy)


def ring_noise(size: int) -> float:
    """Three standard deviations of a share of a ring on which a heavy node has 64 places by chance and a light one 21."""
    ideal, places = heavy_ideal(size), (64 + 21) * size / 2
    return 0.02 + 3 * sqrt(ideal * (1 - ideal) / places)


def equal(balancer: Balancer) -> None:
    """As they come."""


def one_outweighs(balancer: Balancer) -> None:
    """Whoever draws by weight draws the first again and again."""
    first, *others = fleet.endpoints(len(balancer.nodes))
    fleet.update(balancer, [replace(first, weight=100_000), *others])


def all_fail(balancer: Balancer) -> None:
    """By different amounts, so that nobody is like another."""
    for index, node in enumerate(balancer.nodes):
        node.success = 0.1 + 0.8 * index / len(balancer.nodes)
    balancer.refresh()


def some_are_new(balancer: Balancer) -> None:
    """Each half has a picker of its own."""
    for node in list(balancer.nodes)[::2]:
        node.proven = False
    balancer.refresh()


@every_strategy
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", [equal, one_outweighs, all_fail, some_are_new])
def test_candidates_are_distinct(entrant: Entrant, size: int, state: Callable[[Balancer], None]) -> None:
    balancer = entrant.balancer(fleet.endpoints(size))
    state(balancer)
    choices: list[Choice] = []
    balancer.tracer = lambda _, choice: choices.append(choice)
    open_picks = [call(balancer, key) for key in range(300)]
    assert len(choices) == 300
    for choice in choices:
        looked_at = [candidate.node for candidate in choice.candidates]
        assert len(set(looked_at)) == len(looked_at), "a node was compared with itself"
        assert not looked_at or choice.node in looked_at
    if entrant.name == "p2c" and state is not some_are_new:
        assert {len(choice.candidates) for choice in choices} == {min(2, size)}
    for pick in open_picks:
        pick.done(OK)


def lost(balancer: Balancer, node: Node) -> None:
    balancer.connectivity_changed(node, Connectivity.TRANSIENT_FAILURE)


def connecting(balancer: Balancer, node: Node) -> None:
    balancer.connectivity_changed(node, Connectivity.CONNECTING)


def unhealthy(balancer: Balancer, node: Node) -> None:
    _say(balancer, node, Health.UNHEALTHY)


def draining(balancer: Balancer, node: Node) -> None:
    _say(balancer, node, Health.DRAINING)


def gone(balancer: Balancer, node: Node) -> None:
    fleet.update(balancer, [other.endpoint for other in balancer.nodes if other is not node])


def ejected(balancer: Balancer, node: Node) -> None:
    node.ejected_until = 60.0
    balancer.refresh()


def _say(balancer: Balancer, node: Node, health: Health) -> None:
    endpoints = [replace(n.endpoint, health=health if n is node else Health.HEALTHY) for n in balancer.nodes]
    fleet.update(balancer, endpoints)


@every_strategy
@pytest.mark.parametrize("size", [2, 3, 1000])
@pytest.mark.parametrize("exclude", [lost, connecting, unhealthy, draining, gone, ejected])
def test_an_excluded_node_gets_nothing_while_others_exist(
    entrant: Entrant, size: int, exclude: Callable[[Balancer, Node], None]
) -> None:
    balancer = entrant.balancer(fleet.endpoints(size), outlier_detection=OutlierDetection())
    out = next(iter(balancer.nodes))
    # Picked before: a key that has it for a home, a turn that is its own.
    before = calls(balancer, 10 * size)
    assert before[out]
    exclude(balancer, out)
    assert calls(balancer, 10 * size)[out] == 0


@every_strategy
@pytest.mark.parametrize("size", [3, 1000])
@pytest.mark.parametrize("exclude", [lost, draining, gone, ejected])
def test_nor_does_one_that_was_limited_when_it_was_excluded(
    entrant: Entrant, size: int, exclude: Callable[[Balancer, Node], None]
) -> None:
    balancer = entrant.balancer(fleet.endpoints(size), outlier_detection=OutlierDetection())
    out, other, *_ = balancer.nodes
    out.proven = other.proven = False
    balancer.refresh()
    # Until a pick is granted to both, and not taken by the one.
    calls(balancer, size)
    exclude(balancer, out)
    assert calls(balancer, 10 * size)[out] == 0


@every_strategy
def test_the_last_one_is_used_whatever_is_wrong_with_it(entrant: Entrant) -> None:
    for exclude in (lost, draining, ejected):
        balancer = entrant.balancer(fleet.endpoints(1), outlier_detection=OutlierDetection())
        (node,) = balancer.nodes
        exclude(balancer, node)
        assert call(balancer).node is node


@every_strategy
@given(data=st.data())
def test_in_flight_is_conserved_under_any_schedule(entrant: Entrant, data: st.DataObject) -> None:
    endpoints = fleet.endpoints(data.draw(st.integers(1, 6)))
    balancer = entrant.balancer(endpoints, data.draw(st.integers(0, 2**16)), load="cost")
    nodes = set(balancer.nodes)
    drained: list[Node] = []
    open_calls: list[tuple[Pick, Cost]] = []
    steps = st.sampled_from(["start", "start", "end", "end twice", "give back", "correct", "topology", "refresh"])
    for step in data.draw(st.lists(steps, max_size=60)):
        if step == "topology":
            some = data.draw(st.lists(st.sampled_from(endpoints), unique=True, min_size=1))
            changes = balancer.update(fleet.assignment(some))
            balancer.connectivities_changed(dict.fromkeys(changes.opened, Connectivity.READY))
            for node in changes.closed:
                node.retire(drained.append)
            nodes |= set(changes.opened)
        elif step == "refresh":
            balancer.refresh()
        elif step == "start" or not open_calls:
            weight = Cost(data.draw(st.integers(0, 9)))
            pick = balancer.pick(Request("/s/m", attributes={"cost": weight}))
            assert pick is not None
            open_calls.append((pick, weight))
        else:
            index = data.draw(st.integers(0, len(open_calls) - 1))
            pick, weight = open_calls[index]
            if step == "correct":
                weight.amount = data.draw(st.integers(0, 9))
            else:
                del open_calls[index]
                end(pick, step, data.draw(st.sampled_from(["OK", "CANCELLED", "UNAVAILABLE", "DEADLINE_EXCEEDED"])))
        assert sum(node.in_flight for node in nodes) == len(open_calls)
        assert sum(node.load for node in nodes) == sum(weight.amount for _, weight in open_calls)
    for pick, _ in open_calls:
        pick.done(OK)
    assert {(node.in_flight, node.load) for node in nodes} == {(0, 0.0)}
    assert set(drained) == {node for node in nodes if node.retired}


def end(pick: Pick, how: str, status: str) -> None:
    if how == "give back":
        pick.abandon()
        return
    pick.done(Outcome(status))
    if how == "end twice":
        pick.done(Outcome("CANCELLED"))


@every_strategy
def test_a_seed_gives_the_same_choices(entrant: Entrant) -> None:
    def chosen(seed: int) -> list[str]:
        world = World(entrant.policy(seed, slow_start_s=10.0), seed)
        world.assign(*weighted(10))
        asked: list[str] = []
        world.run(2, 200, noting(asked))
        world.assign(*weighted(12))
        world.run(5, 200, noting(asked))
        return asked

    def noting(asked: list[str]) -> Answer:
        def answer(node: Node) -> tuple[float, str]:
            asked.append(node.endpoint.address)
            return 0.02, "UNAVAILABLE" if len(asked) % 7 == 0 else "OK"

        return answer

    assert chosen(1) == chosen(1) != chosen(2)


@every_strategy
def test_calls_stay_in_the_zone_and_are_even_there(entrant: Entrant) -> None:
    groups = [
        LocalityEndpoints(Locality("", zone), tuple(Endpoint(f"10.{zone}.0.{i + 1}", 8080) for i in range(4)), weight)
        for zone, weight in (("1", 9_998), ("2", 1), ("3", 1))
    ]
    balancer = fleet.balancer(entrant.policy())
    opened = balancer.update(Assignment("shop", tuple(groups), client_zone="1")).opened
    balancer.connectivities_changed(dict.fromkeys(opened, Connectivity.READY))
    counts = Counter({node.endpoint.address: count for node, count in calls(balancer, 2_000).items()})
    local = [counts[f"10.1.0.{i + 1}"] for i in range(4)]
    if entrant.by_key:
        assert sum(local) < 1_200, "a key's home is where the hash says"
        return
    assert sum(local) > 1_950
    assert max(local) < bound(500)
