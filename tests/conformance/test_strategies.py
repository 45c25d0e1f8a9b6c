"""What every strategy owes its callers, whatever it is called."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.balance import fleet
from trimtab.balance import Node, Outcome, Pick, Picker, Request, strategies
from trimtab.model import Policy

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
