"""Fading averages against what they must be: exact for a constant load, from the first moment on."""

import pytest

from trimtab.serving.recent import Recent


def steadily(recent: Recent, until_s: float, per_s: int, in_flight: int) -> None:
    for i in range(1, round(until_s * per_s) + 1):
        recent.advance(i / per_s, in_flight)
        recent.ended(failed=i % 4 == 0)


@pytest.mark.parametrize("until_s", [1.0, 5.0, 60.0])
def test_a_constant_load_is_seen_as_it_is_however_short_it_has_lasted(until_s: float) -> None:
    recent = Recent(0.0, memory_s=5.0)
    steadily(recent, until_s, per_s=100, in_flight=7)
    assert recent.in_flight == pytest.approx(7)
    assert recent.requests_per_s == pytest.approx(100, rel=0.01)
    assert recent.errors_per_s == pytest.approx(25, rel=0.03)


def test_half_of_it_is_forgotten_after_the_memory_times_ln_2() -> None:
    recent = Recent(0.0, memory_s=5.0)
    steadily(recent, 60.0, per_s=100, in_flight=8)
    recent.advance(60.0 + 5.0 * 0.6931, in_flight=0)
    assert recent.requests_per_s == pytest.approx(50, rel=0.01)
    assert recent.in_flight == pytest.approx(4, rel=0.01)


def test_before_time_has_passed_there_is_nothing_to_say() -> None:
    recent = Recent(3.0, memory_s=5.0)
    recent.ended(failed=True)
    assert (recent.requests_per_s, recent.errors_per_s, recent.in_flight) == (0, 0, 0)


def test_a_clock_that_stands_still_or_goes_back_harms_nothing() -> None:
    recent = Recent(0.0, memory_s=5.0)
    steadily(recent, 10.0, per_s=10, in_flight=1)
    before = recent.requests_per_s
    recent.advance(9.0, in_flight=100)
    assert recent.requests_per_s == before
