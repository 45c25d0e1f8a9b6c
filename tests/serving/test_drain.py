"""When a draining pod may go: a pure rule."""

import math
from typing import Any

import pytest

from trimtab.serving import Drain, ServeError

DRAIN = Drain(quiet_s=5, limit_s=20, finish_s=2)


@pytest.mark.parametrize(
    ("now", "last_arrival_at", "in_flight", "remaining_s"),
    [
        pytest.param(100, -math.inf, 0, 5, id="nobody ever called: callers may still be on their way"),
        pytest.param(103, 90, 0, 2, id="a call from before says nothing"),
        pytest.param(105, 90, 0, 0, id="quiet"),
        pytest.param(105, 104, 0, 4, id="somebody has not moved yet"),
        pytest.param(109, 104, 1, 11, id="a call under way is waited for up to the limit"),
        pytest.param(119, 118, 0, 1, id="the limit ends the quiet too"),
        pytest.param(120, 119, 3, 0, id="the limit"),
        pytest.param(130, 129, 3, 0, id="beyond the limit"),
    ],
)
def test_it_serves_until_callers_have_moved(
    now: float, last_arrival_at: float, in_flight: int, remaining_s: float
) -> None:
    assert DRAIN.remaining_s(now, 100, last_arrival_at, in_flight) == remaining_s


@pytest.mark.parametrize("time", ["quiet_s", "limit_s", "finish_s", "repeat_s"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, "20", None])
def test_a_time_that_is_none_is_refused(time: str, value: Any) -> None:
    with pytest.raises(ServeError, match=f"drain: {time}: expected a number, at least 0, got"):
        Drain(**{time: value})
