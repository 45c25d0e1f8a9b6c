"""What every strategy owes its callers, whatever it is called."""

import random
import re
from collections import Counter
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.balance import fleet
from trimtab.balance import Connectivity, Node, Outcome, Pick, Picker, Request, registry, strategies
from trimtab.errors import PolicyError
from trimtab.model import Assignment, Endpoint, Locality, LocalityEndpoints, Policy

REQUEST = Request("/shop.Shop/Buy")
OK = Outcome("OK")

every_strategy = pytest.mark.parametrize("name", sorted(strategies()))


def picker(name: str, nodes: list[Node], seed: int = 7) -> Picker:
    return strategies()[name](Policy(), random.Random(seed)).picker(nodes)


@every_strategy
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_every_node_gets_its_share(name: str, size: int) -> None:
    nodes = fleet.nodes(size)
    chooser = picker(name, nodes)
    fleet_wide: set[Pick] = set()
    for node in nodes:
        node.fleet = fleet_wide
    rounds = 200 if size < 1000 else 20
    counts = Counter(chooser.pick(REQUEST) for _ in range(rounds * size))
    # Six standard deviations of a binomial share: what an unbiased choice exceeds once in a billion.
    bound = rounds + 6 * rounds**0.5
    assert set(counts) == set(nodes)
    assert max(counts.values()) <= bound


@every_strategy
def test_a_seed_gives_the_same_choices(name: str) -> None:
    nodes = fleet.nodes(10)
    first, second = picker(name, nodes), picker(name, nodes)
    assert [first.pick(REQUEST) for _ in range(100)] == [second.pick(REQUEST) for _ in range(100)]


@every_strategy
@given(data=st.data())
def test_in_flight_is_conserved_under_any_schedule(name: str, data: st.DataObject) -> None:
    nodes = fleet.nodes(data.draw(st.integers(1, 6)))
    chooser = picker(name, nodes, seed=data.draw(st.integers(0, 2**16)))
    open_picks: list[Pick] = []
    for start in data.draw(st.lists(st.booleans(), max_size=60)):
        if start or not open_picks:
            open_picks.append(Pick(chooser.pick(REQUEST), 0.0))
        else:
            index = data.draw(st.integers(0, len(open_picks) - 1))
            open_picks[index].done(Outcome(data.draw(st.sampled_from(["OK", "CANCELLED", "UNAVAILABLE"]))))
            if data.draw(st.booleans()):
                del open_picks[index]
        assert sum(node.in_flight for node in nodes) == len({p for p in open_picks if p in p.node.outstanding})
    for pick in open_picks:
        pick.done(OK)
    assert all(node.in_flight == 0 for node in nodes)


@every_strategy
def test_weights_are_honoured(name: str) -> None:
    if name == "round_robin":
        pytest.skip("turns are equal by definition")
    nodes = [Node(Endpoint(f"10.1.0.{i + 1}", 8080, weight=1 + 2 * (i % 2))) for i in range(20)]
    chooser = picker(name, nodes)
    counts = Counter(chooser.pick(Request("/s/m", attributes={"hash_key": i})) for i in range(20_000))
    heavy = sum(count for node, count in counts.items() if node.endpoint.weight == 3)
    assert heavy / counts.total() == pytest.approx(0.75, abs=0.05 if name == "consistent_hash" else 0.02)


@every_strategy
def test_a_node_that_is_left_out_gets_nothing_while_others_exist(name: str) -> None:
    balancer = fleet.balancer(Policy(strategy=name))
    opened = fleet.update(balancer, fleet.endpoints(6)).opened
    balancer.connectivity_changed(opened[0], Connectivity.TRANSIENT_FAILURE)
    for i in range(500):
        pick = balancer.pick(Request("/s/m", attributes={"hash_key": i}))
        assert pick is not None
        assert pick.node is not opened[0]
        pick.done(OK)


@every_strategy
def test_calls_stay_in_the_zone_and_are_even_there(name: str) -> None:
    groups = [
        LocalityEndpoints(Locality("", zone), tuple(Endpoint(f"10.{zone}.0.{i + 1}", 8080) for i in range(4)), weight)
        for zone, weight in (("1", 9_998), ("2", 1), ("3", 1))
    ]
    balancer = fleet.balancer(Policy(strategy=name))
    for node in balancer.update(Assignment("shop", tuple(groups), client_zone="1")).opened:
        balancer.connectivity_changed(node, Connectivity.READY)
    counts: Counter[str] = Counter()
    for i in range(2_000):
        pick = balancer.pick(Request("/s/m", attributes={"hash_key": i}))
        assert pick is not None
        counts[pick.node.endpoint.address] += 1
        pick.done(OK)
    local = [counts[f"10.1.0.{i + 1}"] for i in range(4)]
    if name == "consistent_hash":
        assert sum(local) < 1_200, "a key's home is where the hash says"
        return
    assert sum(local) > 1_950
    # Six standard deviations of a binomial share.
    assert max(local) < 500 + 6 * 500**0.5


def test_equal_keys_go_to_one_node_until_it_is_loaded_beyond_its_bound() -> None:
    nodes = fleet.nodes(10)
    chooser = picker("consistent_hash", nodes)
    request = Request("/s/m", attributes={"hash_key": "tenant-7"})
    home = chooser.pick(request)
    assert {chooser.pick(request) for _ in range(50)} == {home}
    picks = [Pick(chooser.pick(request), 0.0) for _ in range(40)]
    assert max(node.in_flight for node in nodes) <= -(-1.25 * 41 // 10)
    assert home.in_flight == max(node.in_flight for node in nodes)
    for pick in picks:
        pick.done(OK)
    assert chooser.pick(request) is home


def test_a_node_that_leaves_moves_only_its_own_keys() -> None:
    nodes = fleet.nodes(10)
    strategy = strategies()["consistent_hash"](Policy(), random.Random(1))
    requests = [Request("/s/m", attributes={"hash_key": i}) for i in range(1000)]
    before = [strategy.picker(nodes).pick(request) for request in requests]
    after = [strategy.picker(nodes[1:]).pick(request) for request in requests]
    assert all(new is old for old, new in zip(before, after, strict=True) if old is not nodes[0])


def test_the_strategy_in_the_docs_keeps_a_tenant_on_its_shard() -> None:
    text = Path("docs/strategies.md").read_text()
    code = next(block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "class ByTenant" in block)
    assert len([line for line in code.splitlines() if line.strip()]) < 40
    module: dict[str, object] = {}
    exec(compile(code, "docs/strategies.md", "exec"), module)  # noqa: S102 - our own page
    balancer = fleet.balancer(Policy(strategy=module["ByTenant"]))  # type: ignore[arg-type]
    fleet.update(balancer, fleet.endpoints(9))
    picked = set()
    for _ in range(100):
        pick = balancer.pick(Request("/s/m", attributes={"tenant": "acme"}))
        assert pick is not None
        picked.add(pick.node)
    assert len(picked) == 2


def test_a_registered_strategy_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("third", "trimtab.balance.uniform:Uniform", registry.ENTRY_POINTS)
    broken = EntryPoint("broken", "no_such_module:Strategy", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry, broken])
    registry._registered.cache_clear()
    try:
        assert {"third", "broken", "p2c"} <= set(strategies())
        fleet.balancer(Policy(strategy="third"))
        with pytest.raises(PolicyError, match=r"strategy 'broken' .*cannot be imported"):
            fleet.balancer(Policy(strategy="broken"))
    finally:
        registry._registered.cache_clear()
