"""The plain program, where theory knows the answer."""

import pytest

from tests.simulate.plain_queues import simulate
from trimtab.simulate.theory import round_robin, single_queue, supermarket
from trimtab.simulate.validation import Cell


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
