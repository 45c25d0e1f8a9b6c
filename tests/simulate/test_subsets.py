"""Many clients share many pods: what parts of the fleet are worth, measured with the client's own code in virtual time."""

import numpy as np
import pytest

from trimtab.model import Policy, Subset
from trimtab.simulate.chooser import Surroundings
from trimtab.simulate.contenders.trimtab import TrimtabChooser
from trimtab.simulate.simulation import Run, simulate
from trimtab.simulate.statistics import Columns
from trimtab.simulate.validation import fleet

SERVICE_TIME_S = 0.001
"""Of a request, in the fleets of the validation."""

pytestmark = pytest.mark.timeout(300)


def played(policy: Policy, clients: int, requests: int) -> tuple[Run, list[TrimtabChooser]]:
    """So many clients of a hundred pods that are busy to 0.8, until so many requests are answered."""
    choosers: list[TrimtabChooser] = []

    def equip(surroundings: Surroundings) -> TrimtabChooser:
        choosers.append(TrimtabChooser(surroundings, policy))
        return choosers[-1]

    return simulate(fleet(100, 0.8, clients, requests), equip, seed=1), choosers


def mean_latency(run: Run) -> float:
    """In mean service times."""
    return float(np.mean(Columns.of(run.ledger, run.warm_up_s).latency_s)) / SERVICE_TIME_S


def test_a_hundred_clients_of_a_hundred_pods_choose_better_among_few() -> None:
    run, choosers = played(Policy(), 100, 70_000)
    assert mean_latency(run) <= 3.4
    assert {chooser.balancer.part.endpoints for chooser in choosers} == {10}
    assert set(run.ledger.pod) == set(range(100)), "every pod is somebody's"
    whole, _ = played(Policy(subset=Subset(mode="off")), 100, 50_000)
    assert mean_latency(whole) > 4, "which local counts of the whole fleet do not reach"


def test_ten_clients_see_enough_and_use_all_pods() -> None:
    _, choosers = played(Policy(), 10, 1_000)
    assert {chooser.balancer.part.endpoints for chooser in choosers} == {100}
