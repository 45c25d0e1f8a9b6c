import numpy as np
import pytest

from trimtab.simulate.control_variates import Requests, estimate
from trimtab.simulate.statistics import Columns, Floats
from trimtab.simulate.theory import round_robin, single_queue

UTILISATION = 0.8


def queues(seed: int, servers: int, requests_each: int) -> Columns:
    """Servers that work first come, first served, each fed at random, as a ledger has them."""
    rng = np.random.default_rng(seed)
    arrived = np.cumsum(rng.exponential(1 / UTILISATION, (servers, requests_each)), axis=1)
    demand = rng.exponential(1.0, (servers, requests_each))
    # Lindley: what waits is how far demand is ahead of time, since when it was least so.
    ahead = np.cumsum(demand, axis=1) - arrived
    ended = arrived + ahead - np.minimum.accumulate(ahead - demand, axis=1)
    pod = np.repeat(np.arange(servers, dtype=np.int32), requests_each)
    nothing = np.zeros_like(pod)
    return Columns(arrived.ravel(), (ended - arrived).ravel(), pod, nothing.astype(np.int8), nothing.astype(np.int16))


def test_what_requests_asked_and_found_is_seen_from_when_they_came_and_went() -> None:
    # They come at 1, 2, 3 and 10, and ask 3, 1, 1 and 2: they end at 4, 5, 6 and 12.
    pod = np.zeros(4, dtype=np.int32)
    rows = Columns(np.array([1.0, 2, 3, 10]), np.array([3.0, 3, 3, 2]), pod, pod.astype(np.int8), pod.astype(np.int16))
    requests = Requests.of(rows, unit_s=1.0)
    assert requests.demand.tolist() == [3, 1, 1, 2]
    assert requests.found.tolist() == [0, 1, 2, 0]


def test_rows_of_several_pods_are_in_order_of_arrival() -> None:
    pod = np.array([1, 0], dtype=np.int32)
    rows = Columns(np.array([3.0, 1]), np.array([1.0, 5]), pod, pod.astype(np.int8), pod.astype(np.int16))
    requests = Requests.of(rows, unit_s=0.5)
    assert requests.arrived.tolist() == [2, 6]
    assert requests.demand.tolist() == [10, 2]


@pytest.fixture(scope="module")
def estimates() -> dict[str, Floats]:
    """Of forty runs of five queues: without and with what is known of the requests, and how uncertain that is said to be."""
    rows = []
    for seed in range(40):
        requests = Requests.of(queues(seed, 5, 20_000), 1.0)
        found = estimate(requests, 5, UTILISATION, from_=500.0, expected=single_queue(UTILISATION))
        latency = requests.latency[requests.arrived >= 500.0]
        rows.append(
            (
                latency.mean(),
                np.quantile(latency, 0.99),
                found.mean.value,
                found.mean.half_width,
                found.p99.value,
                found.p99.half_width,
            )
        )
    names = ("plain mean", "plain p99", "mean", "mean ±", "p99", "p99 ±")
    return dict(zip(names, np.array(rows).T, strict=True))


def test_the_estimates_are_right_on_average(estimates: dict[str, Floats]) -> None:
    known = single_queue(UTILISATION)
    assert np.mean(estimates["mean"]) == pytest.approx(known.mean, rel=0.005)
    assert np.mean(estimates["p99"]) == pytest.approx(known.p99, rel=0.015)


def test_the_estimates_scatter_less_than_means_and_quantiles(estimates: dict[str, Floats]) -> None:
    assert np.std(estimates["mean"]) < 0.75 * np.std(estimates["plain mean"])
    assert np.std(estimates["p99"]) < 0.75 * np.std(estimates["plain p99"])


def test_the_intervals_hold_what_is_true_as_often_as_they_should(estimates: dict[str, Floats]) -> None:
    known = single_queue(UTILISATION)
    for name, true in (("mean", known.mean), ("p99", known.p99)):
        held = np.abs(estimates[name] - true) <= estimates[f"{name} ±"]
        assert np.mean(held) >= 0.8


def test_servers_that_take_turns_leave_nothing_to_luck() -> None:
    # One server always takes its turn.
    requests = Requests.of(queues(1, 1, 20_000), 1.0)
    known = single_queue(UTILISATION)
    found = estimate(requests, 1, UTILISATION, 1000.0, known, turns=np.zeros(20_000, dtype=np.int64))
    assert found.mean.value == pytest.approx(known.mean, rel=1e-6)
    assert found.p99.value == pytest.approx(known.p99, rel=1e-6)
    assert found.mean.half_width < 1e-6


def test_servers_that_do_not_take_turns_are_not_taken_for_such() -> None:
    requests = Requests.of(queues(1, 2, 20_000), 1.0)
    turns = np.arange(40_000, dtype=np.int64) % 2
    found = estimate(requests, 2, UTILISATION, 1000.0, round_robin(UTILISATION, 2), turns)
    assert found.mean.value == pytest.approx(5.0, abs=2 * found.mean.half_width)
    assert found.mean.half_width > 0.01
