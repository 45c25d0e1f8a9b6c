import pytest

from trimtab.demo.client_plan import Sample
from trimtab.demo.outcome import Latency, max_over_mean, percentile, windows

from .outcomes import outcome


def sample(at_s: float, latency_s: float, code: str = "OK") -> Sample:
    return Sample(at_s, latency_s, code, 0.0)


@pytest.mark.parametrize(("q", "expected"), [(1, 1), (50, 50), (90, 90), (99, 99), (100, 100)])
def test_percentiles_are_of_nearest_rank(q: float, expected: float) -> None:
    assert percentile([float(n) for n in range(1, 101)], q) == expected


def test_a_percentile_of_nothing_is_zero() -> None:
    assert percentile([], 99) == 0


def test_max_over_mean_counts_pods_that_got_nothing() -> None:
    assert max_over_mean([30, 0, 0]) == 3.0
    assert max_over_mean([0, 0]) == 0.0


def test_failed_requests_count_in_the_percentiles() -> None:
    assert Latency.of([sample(0, 0.1), sample(0, 10.0, "DEADLINE_EXCEEDED")]).p99_ms == 10_000


def test_the_halves_are_split_by_when_a_request_was_to_be_sent() -> None:
    halves = outcome()
    early, late = [sample(0.9, 5.0)], [sample(1.0, 0.2)]
    both = type(halves)(
        halves.contender, halves.scenario, 2.0, [*early, *late], halves.received, halves.received_before, None
    )
    assert (both.before.p50_ms, both.after.p50_ms) == (5000, 200)


def test_errors_are_counted_by_code() -> None:
    errors = outcome(codes={"OK": 5, "UNAVAILABLE": 2, "DEADLINE_EXCEEDED": 1}).errors
    assert errors == {"UNAVAILABLE": 2, "DEADLINE_EXCEEDED": 1}


def test_the_share_of_the_second_half_leaves_out_the_first() -> None:
    assert outcome(received=(6, 13, 13, 8), received_before=(5, 5, 5, 5)).share_after(1) == 1 / 20


def test_late_generators_are_noticed() -> None:
    assert not outcome(late_s=0.005).machine_was_too_busy
    assert outcome(late_s=0.050).machine_was_too_busy


def test_windows_hold_the_percentile_of_the_requests_that_started_in_them() -> None:
    samples = [sample(0.1, 0.010), sample(0.4, 0.020), sample(1.2, 0.500)]
    assert windows(samples, 0.5, 100) == [(0.25, 20.0), (1.25, 500.0)]
