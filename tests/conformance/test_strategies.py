"""What single strategies promise beyond what all of them owe, and how others are found."""

import random
import re
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from tests.balance import fleet
from trimtab.balance import Node, Outcome, Pick, Picker, Request, registry, strategies
from trimtab.errors import PolicyError
from trimtab.model import Policy

REQUEST = Request("/shop.Shop/Buy")
OK = Outcome("OK")


def picker(name: str, nodes: list[Node], seed: int = 7) -> Picker:
    return strategies()[name](Policy(), random.Random(seed)).picker(nodes)


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
    mistaken = EntryPoint("mistaken", "trimtab.balance.tally:Tally", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry, broken, mistaken])
    registry._registered.cache_clear()
    try:
        assert {"third", "broken", "p2c"} <= set(strategies())
        fleet.balancer(Policy(strategy="third"))
        with pytest.raises(PolicyError, match=r"strategy 'broken' .*cannot be imported"):
            fleet.balancer(Policy(strategy="broken"))
        with pytest.raises(
            PolicyError, match=r"strategy 'mistaken' .*cannot be made from a policy and a random number"
        ):
            fleet.balancer(Policy(strategy="mistaken"))
    finally:
        registry._registered.cache_clear()
