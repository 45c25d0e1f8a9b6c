from collections.abc import Sequence
from functools import partial
from itertools import repeat

import pytest
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
            found = board.least(partial(next, repeat(start)), lambda equals: equals[-1])
            assert found.score == min(node.score for node in nodes)


@given(before=st.lists(scores, min_size=1, max_size=40), last=st.integers(0, 39))
def test_all_equals_and_nobody_else_may_be_chosen(before: list[float], last: int) -> None:
    nodes = scored(before)
    offered: list[Node] = []

    def chosen(equals: Sequence[Node]) -> Node:
        offered.extend(equals)
        return equals[0]

    found = Scoreboard(nodes).least(lambda: nodes[last % len(nodes)], chosen)
    equals = [node for node in nodes if node.score == min(before)]
    assert found in equals
    assert not offered or offered == equals


def test_who_is_drawn_wins_among_equals() -> None:
    nodes = scored([0.5] * 20)
    assert Scoreboard(nodes).least(lambda: nodes[7], lambda equals: equals[0]) is nodes[7]


def test_a_search_ends_though_nodes_are_on_another_board_meanwhile() -> None:
    nodes = scored([0.0, 0.0, 1.0, 1.0])
    board = Scoreboard(nodes)
    other = Scoreboard(nodes[:2])
    for node in nodes[:2]:
        node.score = 2.0
        other.places[node].write(2.0)
    with pytest.raises(ValueError, match="no more"):
        # Draws that fail as often as no search needs.
        board.least(partial(next, iter([nodes[3]] * 100)), lambda equals: equals[0])
