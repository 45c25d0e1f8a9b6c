"""Where calls belong, and why they leave the client's zone, by arithmetic alone."""

from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.balance.zone_shares import CAPACITY, HEALTH, NO_LOCAL, PROBE, REASONS, Part, Standing, spread

WELL = Standing(weight=100, listed=4, well=4, capacity=4)
LOCAL = {"a": replace(WELL, weight=10_000), "b": replace(WELL, weight=1), "c": replace(WELL, weight=1)}
"""Three zones as the control plane weighs them for clients that have enough at home."""


def shares(parts: tuple[Part, ...]) -> dict[tuple[str, str], float]:
    return {(part.zone, part.reason): part.share for part in parts}


def by_reason(parts: tuple[Part, ...]) -> dict[str, float]:
    sums: defaultdict[str, float] = defaultdict(float)
    for part in parts:
        sums[part.reason] += part.share
    return sums


def test_in_calm_all_calls_stay_but_a_few_probes() -> None:
    sums = by_reason(spread("a", LOCAL, NO_LOCAL).parts)
    assert sums[""] == pytest.approx(0.995)
    assert sums[PROBE] + sums[CAPACITY] == pytest.approx(0.005)


def test_what_the_weights_send_elsewhere_is_capacity_and_needs_no_probes() -> None:
    weighed = {"a": replace(WELL, weight=5_000), "b": replace(WELL, weight=3_000), "c": replace(WELL, weight=2_000)}
    assert shares(spread("a", weighed, NO_LOCAL).parts) == pytest.approx(
        {("a", ""): 0.5, ("b", CAPACITY): 0.3, ("c", CAPACITY): 0.2}
    )


@pytest.mark.parametrize(("well", "kept"), [(4, 1.0), (3, 1.0), (2, 0.7), (1, 0.35), (0, 0.0)])
def test_a_zone_gets_14_tenths_of_what_is_well_there(well: int, kept: float) -> None:
    hurt = LOCAL | {"a": replace(LOCAL["a"], well=well, capacity=well)}
    sums = by_reason(spread("a", hurt, NO_LOCAL).parts)
    assert sums[""] == pytest.approx(kept, abs=0.006)
    assert sums[HEALTH] == pytest.approx(1 - kept, abs=0.001)


def test_what_slow_start_holds_back_is_a_matter_of_capacity() -> None:
    ramping = LOCAL | {"a": replace(LOCAL["a"], capacity=2)}
    sums = by_reason(spread("a", ramping, NO_LOCAL).parts)
    assert sums[""] == pytest.approx(0.7, abs=0.006)
    assert sums[CAPACITY] == pytest.approx(0.3, abs=0.006)
    assert HEALTH not in sums


def test_what_is_lost_goes_by_what_the_others_can_take() -> None:
    hurt = {
        "a": replace(LOCAL["a"], well=0, capacity=0),
        "b": replace(WELL, capacity=1),
        "c": replace(WELL, capacity=3),
    }
    found = shares(spread("a", hurt, NO_LOCAL).parts)
    assert found["c", HEALTH] == pytest.approx(3 * found["b", HEALTH])


def test_without_endpoints_at_home_every_call_leaves_for_that() -> None:
    elsewhere = {"b": replace(WELL, weight=300), "c": WELL}
    found = spread("a", elsewhere, NO_LOCAL)
    assert shares(found.parts) == pytest.approx({("b", NO_LOCAL): 0.75, ("c", NO_LOCAL): 0.25})
    assert found.why == NO_LOCAL


def test_weights_as_capacity_prefer_no_zone() -> None:
    assert spread("a", {"a": replace(WELL, weight=4), "b": replace(WELL, weight=4)}, NO_LOCAL).flat
    assert not spread("a", LOCAL, NO_LOCAL).flat


def test_a_client_that_does_not_know_its_zone_goes_by_weights_and_gives_no_reasons() -> None:
    assert {part.reason for part in spread("", LOCAL, NO_LOCAL).parts} == {""}


standings = st.builds(
    lambda weight, listed, well, ramp: Standing(weight, listed, listed * well, listed * well * ramp),
    st.integers(1, 10_000),
    st.integers(1, 50),
    st.floats(0, 1),
    st.floats(0.1, 1),
)


@given(st.dictionaries(st.sampled_from("abcde"), standings, min_size=1))
def test_shares_are_a_whole_and_every_crossing_has_one_reason(found: dict[str, Standing]) -> None:
    if not any(standing.capacity for standing in found.values()):
        return
    parts = spread("a", found, NO_LOCAL).parts
    assert sum(part.share for part in parts) == pytest.approx(1.0)
    assert all(part.share > 0 for part in parts)
    assert all((part.reason == "") is (part.zone == "a") for part in parts)
    assert {part.reason for part in parts} <= {"", *REASONS}
