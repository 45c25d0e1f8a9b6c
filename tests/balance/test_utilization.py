"""When load reports become weights (gRFC A58)."""

import pytest

from tests.balance.virtual import REQUEST, world
from trimtab.balance import Outcome
from trimtab.balance.utilization import Utilization
from trimtab.model import LoadReport, Policy, WeightedRoundRobin


def report(requests_per_s: float) -> LoadReport:
    """Of a Pod that is half busy: its weight is twice its requests per second."""
    return LoadReport(cpu_utilization=0.5, requests_per_s=requests_per_s)


def test_a_report_counts_from_the_next_update_on() -> None:
    settings = WeightedRoundRobin(blackout_s=0, update_s=5)
    known = Utilization()
    known.reported(report(100), 10.0, settings)
    assert known.current(10.0, settings) == pytest.approx(200)
    known.reported(report(300), 11.0, settings)
    assert known.current(14.9, settings) == pytest.approx(200)
    assert known.current(15.0, settings) == pytest.approx(600)


def test_reports_count_after_the_blackout_and_until_they_expire() -> None:
    settings = WeightedRoundRobin(blackout_s=10, expiration_s=60, update_s=0.1)
    known = Utilization()
    known.reported(report(100), 0.0, settings)
    assert known.current(9.0, settings) is None
    assert known.current(10.5, settings) == pytest.approx(200)
    assert known.current(60.5, settings) is None
    known.reported(report(100), 61.0, settings)
    assert known.current(62.0, settings) is None


def test_the_balancer_takes_weights_over_as_often_as_the_policy_says() -> None:
    policy = Policy("weighted_round_robin", weighted_round_robin=WeightedRoundRobin(blackout_s=0, update_s=20))
    shop, nodes = world(2, policy)
    assert shop.now % 20 == 0

    def calls(weight: float) -> None:
        for _ in range(4):
            pick = shop.balancer.pick(REQUEST)
            assert pick is not None
            shop.now += 0.01
            pick.done(Outcome("OK", report(weight)))
        shop.now += 1
        shop.balancer.refresh()

    calls(100)
    assert [node.reported_weight for node in nodes] == [pytest.approx(200)] * 2
    calls(300)
    assert [node.reported_weight for node in nodes] == [pytest.approx(200)] * 2
    shop.now += 20
    shop.balancer.refresh()
    assert [node.reported_weight for node in nodes] == [pytest.approx(600)] * 2
