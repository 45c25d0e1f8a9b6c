"""The engine with the production pickers against theory, published tables and a plain program: within 2 %.

Every run is so long that its own 95 % confidence interval is narrower than that; otherwise agreement would be luck. What is expected is
known to a few tenths of a percent: from a formula, or from plain_queues.py, which wrote plain_queues.csv. The published numbers come
from simulations of some million requests, and not all of them are that exact: how far off such simulations are is a test, and which of
them are is another.
"""

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.simulate.contenders import contender
from trimtab.simulate.control_variates import Requests
from trimtab.simulate.simulation import simulate
from trimtab.simulate.statistics import Columns, Interval
from trimtab.simulate.theory import Latency
from trimtab.simulate.validation import CELLS, TOLERANCE, Cell, fleet, in_turn, measure, recorded

EXACT = 0.005
"""A published number that is as near to what is expected is held like it; of one further off the engine could not be within 2 % but by
luck."""

PUBLISHED_REQUESTS = 4_000_000
"""In each simulation that was published."""

TIMES = 16
"""How often simulations as long are repeated here."""

ONE_CLIENT_IN_TURN = [cell for cell in CELLS if cell.contender == "round_robin" and cell.clients == 1]

pytestmark = pytest.mark.timeout(300)


def published(cell: Cell) -> Latency:
    """What was published of a cell of which something was."""
    assert cell.published is not None
    return cell.published


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_the_engine_shows_what_is_expected(cell: Cell) -> None:
    estimates = measure(cell)
    for name, found in (("mean", estimates.mean), ("p99", estimates.p99)):
        expected = getattr(cell.expected, name)
        assert_within(found, expected)
        published = getattr(cell.published, name, expected)
        if abs(published / expected - 1) <= EXACT:
            assert_within(found, published)


def test_what_is_expected_is_known_well_enough() -> None:
    names = {str(cell) for cell in CELLS if not cell.theory}
    assert recorded().keys() == names
    assert {name for name in names if max(one.relative for one in recorded()[name]) > TOLERANCE / 2} == set()


def test_the_fleets_are_given_what_the_estimates_take_for_granted() -> None:
    # Arrivals at random at the rate of the cell, and exponential work with mean 1: four standard errors.
    run = simulate(fleet(100, 0.8, 10, 100_000), contender("p2c"), seed=1)
    requests = Requests.of(Columns.of(run.ledger), 0.001)
    gaps = np.diff(requests.arrived) * 100 * 0.8
    for values in (gaps, requests.demand):
        count = len(values)
        assert np.mean(values) == pytest.approx(1, abs=4 / count**0.5)
        assert np.mean(values**2) == pytest.approx(2, abs=4 * (20 / count) ** 0.5)
        assert np.corrcoef(values[1:], values[:-1])[0, 1] == pytest.approx(0, abs=4 / count**0.5)


def test_requests_take_as_long_as_what_they_find_makes_one_expect() -> None:
    # Whoever finds k others takes k + 1 service times on average, whatever the contender: the estimates are about k alone.
    run = simulate(fleet(100, 0.9, 1, 200_000), contender("shortest-queue"), seed=1)
    requests = Requests.of(Columns.of(run.ledger), 0.001)
    off = [part.mean() for part in np.array_split(requests.latency - (requests.found + 1), 50)]
    assert np.mean(off) == pytest.approx(0, abs=4 * np.std(off) / 50**0.5)
    assert 4 * np.std(off) / 50**0.5 < 0.02


def test_clients_take_their_servers_in_turn() -> None:
    sender, pod = np.array([1, 0, 1, 1, 0]), np.array([2, 0, 9, 9, 9])
    assert in_turn(sender, pod, 3).tolist() == [2, 0, 0, 1, 1]


@pytest.mark.parametrize("cell", [cell for cell in ONE_CLIENT_IN_TURN if not np.isnan(published(cell).p99)], ids=str)
def test_simulations_as_long_as_the_published_ones_are_off_by_as_much(cell: Cell) -> None:
    rng = np.random.default_rng(1)
    off = [distances(turns_taken(cell, PUBLISHED_REQUESTS, rng), cell.expected) for _ in range(TIMES)]
    usual = np.sqrt(np.mean(np.square(off), axis=0))
    assert (np.abs(distances(published(cell), cell.expected)) < 2.5 * usual).all()


def test_which_published_numbers_are_off_by_more_than_one_percent() -> None:
    # Percent. Round robin and random have formulas, so what is expected is exact there.
    off = {
        f"{cell}: {name}": round(100 * (getattr(cell.published, name) / getattr(cell.expected, name) - 1), 1)
        for cell in CELLS
        for name in ("mean", "p99")
        if cell.published is not None
    }
    assert {where: percent for where, percent in off.items() if abs(percent) > 1.0} == {
        "p2c n=10 m=1 at 0.95: mean": 1.4,
        "p2c n=10 m=1 at 0.95: p99": 2.4,
        "p2c n=100 m=1 at 0.99: mean": 1.2,
        "envoy-least-request n=10 m=1 at 0.95: mean": 1.8,
        "envoy-least-request n=10 m=1 at 0.95: p99": 2.4,
        "envoy-least-request n=100 m=1 at 0.99: mean": 1.5,
        "shortest-queue n=100 m=1 at 0.99: p99": 1.5,
        "round_robin n=10 m=1 at 0.9: p99": -1.4,
        "round_robin n=10 m=1 at 0.95: mean": 3.1,
        "round_robin n=10 m=1 at 0.95: p99": 4.1,
        "round_robin n=100 m=1 at 0.9: mean": 1.2,
        "round_robin n=100 m=1 at 0.9: p99": 1.4,
        "round_robin n=100 m=1 at 0.95: mean": 2.2,
        "round_robin n=100 m=1 at 0.95: p99": 5.7,
        "round_robin n=100 m=1 at 0.99: mean": 4.6,
        "round_robin n=100 m=1 at 0.99: p99": -1.4,
        "p2c n=10 m=64 at 0.8: p99": 1.5,
        "random n=10 m=1 at 0.8: p99": -1.4,
        "p2c n=100 m=1000 at 0.8: p99": 2.5,
        "round_robin n=100 m=1000 at 0.8: mean": 2.0,
        "p2c in 4 n=100 m=100 at 0.8: mean": 4.2,
        "p2c in 4 n=100 m=100 at 0.8: p99": 7.0,
    }


def turns_taken(cell: Cell, requests: int, rng: np.random.Generator) -> Latency:
    """Servers to which requests go in turn, by Lindley's recursion: one client, so every one gets each n-th."""
    arrived = np.cumsum(rng.exponential(1 / (cell.servers * cell.utilisation), requests))
    demand = rng.exponential(1.0, requests)
    latency = np.empty_like(demand)
    for server in range(cell.servers):
        arrives, work = arrived[server :: cell.servers], demand[server :: cell.servers]
        walk = np.concatenate(([0.0], np.cumsum(work[:-1] - np.diff(arrives))))
        latency[server :: cell.servers] = walk - np.minimum.accumulate(walk) + work
    return Latency(float(np.mean(latency)), float(np.quantile(latency, 0.99)))


def distances(found: Latency, expected: Latency) -> NDArray[np.float64]:
    """Of mean and p99, relative."""
    return np.array([found.mean / expected.mean - 1, found.p99 / expected.p99 - 1])


def assert_within(found: Interval, expected: float) -> None:
    assert found.relative < TOLERANCE, f"{found} is too uncertain to compare"
    assert found.value == pytest.approx(expected, rel=TOLERANCE)
