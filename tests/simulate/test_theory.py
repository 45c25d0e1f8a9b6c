import math

import numpy as np
import pytest

from trimtab.simulate.theory import found, round_robin, single_queue, supermarket


@pytest.mark.parametrize(
    ("utilisation", "means", "p99"),
    [
        # Mitzenmacher's table for two, three and five choices; p99 of two from the same distribution.
        (0.5, (1.2657, 1.1252, 1.0312), None),
        (0.7, (1.6145, 1.3568, 1.1681), 6.561),
        (0.8, (1.9474, 1.5809, 1.3289), 7.374),
        (0.9, (2.6141, 2.0279, 1.6329), 8.791),
        (0.95, (3.3830, 2.5351, 1.9888), 10.218),
        (0.99, (5.4320, 3.8578, 2.9017), 13.497),
    ],
)
def test_more_choices_are_the_supermarket_model(
    utilisation: float, means: tuple[float, ...], p99: float | None
) -> None:
    laws = [supermarket(utilisation, choices) for choices in (2, 3, 5)]
    assert [law.mean for law in laws] == pytest.approx(means, abs=0.0001)
    assert p99 is None or laws[0].p99 == pytest.approx(p99, abs=0.001)


def test_a_random_server_is_a_single_queue() -> None:
    assert single_queue(0.8).mean == pytest.approx(5.0)
    assert single_queue(0.8).p99 == pytest.approx(23.026, abs=0.001)


def test_who_finds_geometrically_many_is_at_a_single_queue() -> None:
    law = found([0.8**k for k in range(400)])
    assert law.mean == pytest.approx(5.0)
    assert law.p99 == pytest.approx(single_queue(0.8).p99)


def test_round_robin_over_one_server_is_a_single_queue() -> None:
    assert round_robin(0.9, 1).mean == pytest.approx(10.0)


def test_round_robin_over_many_servers_is_nearly_even_gaps() -> None:
    # D/M/1: s = exp(-(1 - s) / utilisation), by Lambert's W here by iteration.
    waits = 0.5
    for _ in range(1000):
        waits = math.exp(-(1 - waits) / 0.8)
    assert round_robin(0.8, 10_000).mean == pytest.approx(1 / (1 - waits), rel=0.001)


def test_round_robin_as_drawn() -> None:
    rng = np.random.default_rng(1)
    gaps, work = rng.gamma(10, 1 / (10 * 0.7), 1_000_000), rng.exponential(1.0, 1_000_000)
    walk = np.concatenate(([0.0], np.cumsum(work[:-1] - gaps[1:])))
    latency = walk - np.minimum.accumulate(walk) + work
    assert round_robin(0.7, 10).mean == pytest.approx(float(np.mean(latency)), rel=0.01)
    assert round_robin(0.7, 10).p99 == pytest.approx(float(np.quantile(latency, 0.99)), rel=0.02)
