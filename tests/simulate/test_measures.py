import random

import pytest

from tests.simulate import fleets
from trimtab.model import Locality
from trimtab.simulate.client import STATUSES
from trimtab.simulate.ledger import Ledger
from trimtab.simulate.measures import WINDOWS, Measures, measure
from trimtab.simulate.pod import Pod
from trimtab.simulate.scenario import Network
from trimtab.simulate.simulation import Run
from trimtab.simulate.timeline import Timeline

A, B = Locality("", "a"), Locality("", "b")
NETWORK = Network(kilobytes_per_request=1000.0, usd_per_gb=0.02)


@pytest.fixture
def pods() -> list[Pod]:
    pods = fleets.pods(2, Timeline())
    for pod, locality in zip(pods, (A, B), strict=True):
        pod.locality = locality
    return pods


def measured(pods: list[Pod], *rows: tuple[float, float, int | None, Locality, str]) -> Measures:
    """Measures of requests given as (sent, latency, pod, client's zone, status); 10 s after 5 s of warm-up."""
    ledger = Ledger(STATUSES, [A, B])
    for sent_s, latency_s, pod, client, status in rows:
        ledger.write(sent_s, latency_s, None if pod is None else pods[pod], client, status)
    return measure(Run(ledger, pods, warm_up_s=5.0, duration_s=10.0), NETWORK)


def test_warm_up_does_not_count(pods: list[Pod]) -> None:
    result = measured(pods, (4.9, 9.0, 0, A, "OK"), (5.0, 0.1, 0, A, "OK"), (14.9, 0.3, 1, A, "OK"))
    assert result.values["requests"] == 2
    assert result.values["mean_ms"] == pytest.approx(200)
    assert list(result.requests_per_pod) == [1, 1]


def test_a_deadline_counts_as_latency_and_other_failures_do_not(pods: list[Pod]) -> None:
    result = measured(
        pods,
        (6.0, 0.1, 0, A, "OK"),
        (6.0, 0.5, 0, A, "DEADLINE_EXCEEDED"),
        (6.0, 0.0, 1, A, "INTERNAL"),
        (6.0, 0.0, None, A, "NO_ENDPOINTS"),
    )
    assert result.values["mean_ms"] == pytest.approx(300)
    assert result.values["errors"] == pytest.approx(0.75)
    assert dict(result.statuses) == {"OK": 1, "INTERNAL": 1, "DEADLINE_EXCEEDED": 1, "NO_ENDPOINTS": 1}


def test_requests_per_pod_are_compared_with_the_mean(pods: list[Pod]) -> None:
    result = measured(pods, *[(6.0, 0.1, 0, A, "OK")] * 3, (6.0, 0.1, 1, A, "OK"))
    assert result.values["max_over_mean"] == pytest.approx(1.5)
    assert result.values["variation"] == pytest.approx(0.5)


def test_cross_zone_traffic_has_a_share_and_a_price(pods: list[Pod]) -> None:
    rows = [(6.0, 0.1, pod, client, "OK") for pod, client in ((0, A), (1, B), (1, A), (0, A))]
    result = measured(pods, *rows)
    assert result.values["cross_zone"] == pytest.approx(0.25)
    # One request of 1 MB in 10 s, for a month of 730 hours.
    assert result.values["cross_zone_usd"] == pytest.approx(0.1 * 0.001 * 730 * 3600 * 0.02)


def test_windows_say_when(pods: list[Pod]) -> None:
    rng = random.Random(1)
    rows = [(5.0 + rng.random() * 5, 0.1, 0, A, "OK") for _ in range(500)]
    rows += [(10.0 + rng.random() * 5, 0.2, 1, A, "INTERNAL" if i % 2 else "OK") for i in range(500)]
    measures = measured(pods, *rows)
    windows = measures.windows
    assert measures.values["p90_worst_over_median"] == pytest.approx(200 / 150)
    half = WINDOWS // 2
    assert windows.requests.sum() == 1000
    assert windows.requests[:half, 1].sum() == windows.requests[half:, 0].sum() == 0
    assert windows.p90_ms[:half] == pytest.approx(100)
    assert windows.p90_ms[half:] == pytest.approx(200)
    assert windows.pod_p90_ms[half:, 1] == pytest.approx(200)
    assert windows.error_share[:half].max() == 0
    assert windows.error_share[half:].mean() == pytest.approx(0.5, abs=0.1)
    assert windows.failed.sum() == 250


def test_nothing_measured_is_not_a_number_but_no_error(pods: list[Pod]) -> None:
    result = measured(pods, (6.0, 0.0, None, A, "NO_ENDPOINTS"))
    assert result.values["errors"] == 1
    assert str(result.values["p99_ms"]) == "nan"


def test_pods_are_present_from_their_start_to_their_end(pods: list[Pod]) -> None:
    pods[0].ended_s, pods[1].started_s = 10.0, 8.0
    present = measured(pods, (6.0, 0.1, 0, A, "OK")).present
    # Windows of a sixth of a second from second 5 on.
    assert list(present.sum(axis=0)) == [WINDOWS // 2, WINDOWS * 7 // 10]
