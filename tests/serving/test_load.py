"""What a server knows about its load."""

import logging
import math
from typing import Any

import pytest

from trimtab.serving import Load, ServeError
from trimtab.serving.load import FRESH_S
from trimtab.xds.orca import decode_load_report


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_call_is_in_flight_until_it_ends_and_ends_once(clock: Clock) -> None:
    load = Load(clock=clock)
    assert load.last_arrival_at == -math.inf
    first, second = load.begin(), load.begin()
    assert (load.in_flight, load.last_arrival_at) == (2, 100.0)
    first.end(failed=False)
    first.end(failed=True)
    assert load.in_flight == 1
    second.end(failed=False)
    assert load.in_flight == 0
    clock.now = 101.0
    assert load.report().errors_per_s == 0


def test_a_call_that_never_began_to_run_is_not_in_flight_for_ever() -> None:
    load = Load()
    call = load.begin()
    assert load.in_flight == 1
    del call
    assert load.in_flight == 0


def test_utilisation_is_the_calls_in_flight_over_the_capacity(clock: Clock) -> None:
    load = Load(capacity=4, clock=clock)
    calls = [load.begin() for _ in range(6)]
    clock.now = 105.0
    assert load.report().application_utilization == pytest.approx(1.5)
    assert load.report().named_metrics == {"in_flight": 6}
    assert load.report().cpu_utilization == 0
    for call in calls:
        call.end(failed=True)
    report = load.report()
    assert report.requests_per_s == report.errors_per_s > 0


def test_the_weight_is_what_little_says(clock: Clock) -> None:
    """Throughput over utilisation is the capacity over the mean latency: a server twice as slow weighs half."""
    weights = []
    for latency_s in (0.1, 0.2):
        load = Load(capacity=8, clock=clock)
        for _ in range(int(30 / latency_s)):
            calls = [load.begin() for _ in range(4)]
            clock.now += latency_s
            for call in calls:
                call.end(failed=False)
        weights.append(load.report().weight())
    assert weights == pytest.approx([80, 40], rel=0.03)


def test_an_encoded_report_is_used_for_a_moment_and_then_made_anew(clock: Clock) -> None:
    load = Load(clock=clock)
    before = load.encoded()
    call = load.begin()
    assert load.encoded() is before
    clock.now += FRESH_S
    assert decode_load_report(load.encoded()).named_metrics == {"in_flight": 1}
    call.end(failed=False)


def test_without_a_capacity_nothing_is_said_about_utilisation(clock: Clock) -> None:
    load = Load(clock=clock)
    call = load.begin()
    clock.now += 1
    assert load.report().application_utilization == 0
    call.end(failed=False)


def test_the_application_may_measure_by_itself() -> None:
    load = Load(capacity=1, utilization=lambda: 0.75, metrics={"queue_depth": lambda: 12})
    assert load.report().application_utilization == 0.75
    assert load.report().named_metrics == {"in_flight": 0, "queue_depth": 12}


def test_a_metric_that_fails_is_left_out_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> float:
        raise RuntimeError("no gpu")

    load = Load(utilization=broken, metrics={"gpu": broken, "nan": lambda: math.nan, "debt": lambda: -1})
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert load.report().named_metrics == {"in_flight": 0, "debt": 0}
    assert len(caplog.records) == 2
    assert "gpu cannot be measured" in caplog.text


def test_a_ramp_begins_at_ten_times_the_load_and_ends_at_the_truth(clock: Clock) -> None:
    load = Load(utilization=lambda: 0.5, clock=clock)
    load.ramp(30)
    seen = []
    for elapsed_s in (0, 15, 30):
        clock.now = 100 + elapsed_s
        seen.append(load.report().application_utilization)
    assert seen == [5.0, 1.0, 0.5]


def test_a_ramp_that_nobody_could_hear_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    Load(capacity=1).ramp(30)
    assert not caplog.records
    Load().ramp(30)
    assert "without Load(capacity=…) or Load(utilization=…)" in caplog.text


@pytest.mark.parametrize("capacity", [0, -1, math.nan, math.inf, "8", True])
def test_a_capacity_that_is_none_is_refused(capacity: Any) -> None:
    with pytest.raises(ServeError, match="capacity"):
        Load(capacity=capacity)


@pytest.mark.parametrize("settings", [{"utilization": 0.5}, {"metrics": {"depth": 3}}])
def test_a_metric_that_cannot_be_asked_is_refused(settings: Any) -> None:
    with pytest.raises(ServeError, match="expected a function, got"):
        Load(**settings)
