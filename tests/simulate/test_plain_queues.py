"""The plain program, where theory knows the answer."""

import pytest

from tests.simulate.plain_queues import simulate
from trimtab.simulate.theory import Latency, round_robin, single_queue, supermarket
from trimtab.simulate.validation import Cell, recorded

UNKNOWN = Latency(float("nan"), float("nan"))


@pytest.mark.parametrize(
    "cell",
    [
        Cell("random", 10, 0.5, 1, 1_000_000, single_queue(0.5)),
        Cell("round_robin", 10, 0.5, 1, 1_000_000, round_robin(0.5, 10)),
        Cell("p2c", 100, 0.5, 1, 1_000_000, supermarket(0.5, 2)),
        Cell("envoy-least-request", 100, 0.5, 1, 1_000_000, supermarket(0.5, 2)),
        # So many clients know nothing of the queues.
        Cell("p2c", 4, 0.5, 1000, 1_000_000, single_queue(0.5)),
    ],
    ids=str,
)
def test_the_plain_program_agrees_with_theory(cell: Cell) -> None:
    mean, p99 = simulate(cell, cell.requests, fleets=400)
    assert mean.value == pytest.approx(cell.expected.mean, rel=0.02)
    assert p99.value == pytest.approx(cell.expected.p99, rel=0.02)


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (Cell("p2c", 10, 0.8, 4, 500_000, UNKNOWN), "p2c n=10 m=4 at 0.8"),
        (Cell("envoy-least-request", 10, 0.9, 1, 500_000, UNKNOWN), "envoy-least-request n=10 m=1 at 0.9"),
        (Cell("shortest-queue", 10, 0.9, 1, 500_000, UNKNOWN), "shortest-queue n=10 m=1 at 0.9"),
        # One client knows all queues, and a part may be the whole.
        (Cell("least_request", 10, 0.9, 1, 500_000, UNKNOWN), "shortest-queue n=10 m=1 at 0.9"),
        (Cell("p2c", 10, 0.8, 4, 500_000, UNKNOWN, part=10), "p2c n=10 m=4 at 0.8"),
    ],
    ids=str,
)
def test_the_plain_program_says_what_is_recorded(cell: Cell, name: str) -> None:
    for found, known in zip(simulate(cell, cell.requests, fleets=100, seed=2), recorded()[name], strict=True):
        assert found.value == pytest.approx(known.value, rel=0.015)
