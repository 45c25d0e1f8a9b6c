import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from trimtab.balance.scoreboard import Scoreboard

scores = st.sampled_from([0.0, 0.5, 1.0, 2.0, float("inf")])


@given(data=st.data(), before=st.lists(scores, min_size=1, max_size=40))
def test_the_least_is_found_after_any_changes(data: st.DataObject, before: list[float]) -> None:
    board = Scoreboard(before)
    places = [board.place(slot) for slot in range(len(before))]
    now = list(before)
    slots = st.integers(0, len(before) - 1)
    for slot, score in data.draw(st.lists(st.tuples(slots, scores), max_size=40)):
        now[slot] = score
        places[slot].write(score)
        assert now[board.least(lambda: 0)] == min(now)


@given(before=st.lists(scores, min_size=1, max_size=40), start=st.integers(0, 39))
def test_of_equals_it_is_one_from_where_the_search_starts(before: list[float], start: int) -> None:
    start %= len(before)
    found = Scoreboard(before).least(lambda: start)
    assert before[found] == min(before)
    if before[start] == min(before):
        assert found == start


def test_equals_far_and_near_are_all_found() -> None:
    rng = random.Random(3)
    board = Scoreboard([0.0] * 100)
    found = Counter(board.least(lambda: rng.randrange(100)) for _ in range(20_000))
    assert len(found) == 100
    # Six standard deviations.
    assert max(found.values()) < 200 + 6 * 200**0.5
