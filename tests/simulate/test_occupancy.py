import numpy as np
import pytest

from trimtab.simulate import occupancy
from trimtab.simulate.control_variates import Requests
from trimtab.simulate.statistics import Columns, Floats
from trimtab.simulate.theory import Latency, single_queue
from trimtab.simulate.validation import Cell, measure, recorded


def one_line(seed: int, utilisation: float, count: int) -> Requests:
    """One server."""
    rng = np.random.default_rng(seed)
    arrived, demand = np.cumsum(rng.exponential(1 / utilisation, count)), rng.exponential(1.0, count)
    ahead = np.cumsum(demand) - arrived
    latency = ahead - np.minimum.accumulate(ahead - demand)
    nothing = np.zeros(count, dtype=np.int32)
    return Requests.of(Columns(arrived, latency, nothing, nothing.astype(np.int8), nothing.astype(np.int16)), 1.0)


def test_one_server_that_works_whenever_it_can_leaves_nothing_to_luck() -> None:
    # How many it has says what a request finds, and it works if there are any: also in a run that saw few.
    for count in (1_000, 20_000):
        found = occupancy.estimate(one_line(1, 0.95, count), 1, 0.95, from_=0.0)
        known = single_queue(0.95)
        assert found.mean.value == pytest.approx(known.mean, rel=1e-4)
        assert found.p99.value == pytest.approx(known.p99, rel=1e-4)


@pytest.fixture(scope="module")
def estimates() -> Floats:
    """Of short runs of the shortest of ten queues: mean and p99 as shares of what is known, and how uncertain they are said to be."""
    mean, p99 = recorded()["shortest-queue n=10 m=1 at 0.9"]
    cell = Cell("shortest-queue", 10, 0.9, 1, 30_000, Latency(mean.value, p99.value))
    found = [measure(cell, seed) for seed in range(16)]
    return np.array(
        [
            [(one.mean.value / mean.value, one.mean.relative), (one.p99.value / p99.value, one.p99.relative)]
            for one in found
        ]
    )


def test_the_estimates_are_right_on_average(estimates: Floats) -> None:
    assert np.mean(estimates[:, :, 0], axis=0) == pytest.approx(1, abs=0.004)


def test_the_intervals_hold_what_is_true_as_often_as_they_should(estimates: Floats) -> None:
    held = np.abs(estimates[:, :, 0] - 1) <= estimates[:, :, 1]
    assert (np.mean(held, axis=0) >= 0.8).all()
    assert (np.mean(estimates[:, :, 1], axis=0) < 0.01).all()
