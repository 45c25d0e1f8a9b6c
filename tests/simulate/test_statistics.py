import math
import random

import numpy as np
import pytest

from trimtab.simulate.statistics import interval


def test_an_interval_holds_the_mean_in_95_of_100_cases() -> None:
    rng = random.Random(1)
    hits = 0
    for _ in range(2000):
        found = interval(np.array([rng.gauss(10, 3) for _ in range(5)]))
        hits += abs(found.value - 10) <= found.half_width
    assert hits / 2000 == pytest.approx(0.95, abs=0.015)


def test_one_estimate_has_no_interval() -> None:
    found = interval(np.array([3.0]))
    assert found.value == 3.0
    assert math.isnan(found.half_width)
