import random
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import repeat

from hypothesis import given
from hypothesis import strategies as st

from tests.balance import fleet
from trimtab.balance import Node
from trimtab.balance.scoreboard import Scoreboard

scores = st.sampled_from([0.0, 0.5, 1.0, 2.0, float("inf")])


def scored(scores: Sequence[float]) -> list[Node]:
    nodes = fleet.nodes(len(scores))
    for node, score in zip(nodes, scores, strict=True):
        node.score = score
    return nodes


@given(data=st.data(), before=st.lists(scores, min_size=1, max_size=40))
def test_the_least_is_found_after_any_changes(data: st.DataObject, before: list[float]) -> None:
    nodes = scored(before)
    board = Scoreboard(nodes)
    slots = st.integers(0, len(before) - 1)
    for slot, score in data.draw(st.lists(st.tuples(slots, scores), max_size=40)):
        nodes[slot].score = score
        board.places[nodes[slot]].write(score)
        if data.draw(st.booleans()):
            start = data.draw(st.sampled_from(nodes))
            assert board.least(partial(next, repeat(start))).score == min(node.score for node in nodes)


@given(before=st.lists(scores, min_size=1, max_size=40), start=st.integers(0, 39))
def test_of_equals_it_is_the_next_one_around_the_end(before: list[float], start: int) -> None:
    start %= len(before)
    nodes = scored(before)
    found = Scoreboard(nodes).least(lambda: nodes[start])
    from_there = [*nodes[start:], *nodes[:start]]
    assert found is next(node for node in from_there if node.score == min(before))


def test_equals_far_and_near_are_all_found() -> None:
    rng = random.Random(3)
    nodes = fleet.nodes(100)
    board = Scoreboard(nodes)
    found = Counter(board.least(lambda: rng.choice(nodes)) for _ in range(20_000))
    assert len(found) == 100
    # Six standard deviations.
    assert max(found.values()) < 200 + 6 * 200**0.5
