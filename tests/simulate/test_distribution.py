import math
import random
import statistics

import pytest

from trimtab.simulate import distribution
from trimtab.simulate.distribution import Draw


@pytest.mark.parametrize(
    ("draw", "mean", "p99"),
    [
        (distribution.constant(3.0), 3.0, 3.0),
        (distribution.exponential(3.0), 3.0, 3.0 * math.log(100)),
        (distribution.uniform(3.0), 3.0, 5.94),
        (distribution.lognormal(3.0, 0.8), 3.0, 3.0 * math.exp(0.8 * 2.326 - 0.32)),
        # Half of a normal around 0 with deviation 1: mean sqrt(2 / pi).
        (distribution.truncated_normal(0.0, 1.0), math.sqrt(2 / math.pi), 2.576),
        (distribution.quantiles({0.0: 1.0, 0.5: 2.0, 1.0: 6.0}), 0.5 * 1.5 + 0.5 * 4.0, 5.92),
    ],
    ids=["constant", "exponential", "uniform", "lognormal", "truncated normal", "quantiles"],
)
def test_draws_have_the_mean_and_the_tail_they_should(draw: Draw, mean: float, p99: float) -> None:
    rng = random.Random(1)
    values = [draw(rng) for _ in range(100_000)]
    assert statistics.fmean(values) == pytest.approx(mean, rel=0.02)
    assert statistics.quantiles(values, n=100)[-1] == pytest.approx(p99, rel=0.04)
