import math

import pytest

from tests.simulate.fleets import scenario
from trimtab.simulate import experiment
from trimtab.simulate.aftermath import Aftermath, aftermaths
from trimtab.simulate.event import Crash, Fail, Slow, Start
from trimtab.simulate.scenario import ClientGroup, Contestant, PodGroup, Scenario

GENTLE = Contestant(name="gentle", policy={"slow_start_s": 10})


def played(asked: Scenario, *contenders: str | Contestant) -> list[Aftermath]:
    return list(aftermaths(asked, experiment.run(asked, contenders, (1, 2), processes=1)))


def test_whoever_keeps_calling_a_slow_pod_is_not_calm_until_it_is_over() -> None:
    slow = scenario(
        events=(Slow(at_s=20, until_s=40, first=2, factor=20.0),),
        clients=(ClientGroup(count=1, utilisation=0.4),),
        duration_s=60.0,
    )
    blind, ours, _, after = played(slow, "round_robin", "p2c")
    assert blind.at_s == ours.at_s == 20
    assert blind.what == "20× slower"
    assert math.isnan(blind.calm_after_s.value)
    assert blind.p99_worst_ms.value > 2 * ours.p99_worst_ms.value
    assert blind.p99_before_ms.value == pytest.approx(ours.p99_before_ms.value, rel=0.5)
    assert after.at_s == 40
    assert after.contender == "p2c"


def test_failures_are_counted_from_their_event_to_the_next() -> None:
    failing = scenario(events=(Fail(at_s=2, until_s=4, share=1.0),), duration_s=6.0)
    during, after = played(failing, "random")
    # Utilisation 0.6 of ten pods of 100 requests per second each.
    assert during.failed.value == pytest.approx(1200, rel=0.1)
    assert after.failed.value <= 60


def test_new_pods_are_in_use_when_they_have_their_part() -> None:
    pods = (PodGroup(name="old", count=5), PodGroup(name="new", count=5))
    grown = scenario(
        pods=pods,
        events=(Start(at_s=20, pods="new"),),
        propagation_delay_s=2.0,
        clients=(ClientGroup(requests_per_s=400),),
        duration_s=60.0,
    )
    pinned, ours, gentle = played(grown, "kube-proxy", "random", GENTLE)
    assert math.isnan(pinned.in_use_after_s.value), "new pods get nothing from old connections"
    assert ours.in_use_after_s.value == pytest.approx(2.0, abs=1.0)
    assert gentle.in_use_after_s.value > ours.in_use_after_s.value + 3


def test_pods_that_come_back_are_new_again() -> None:
    crash = scenario(events=(Crash(at_s=10, until_s=20, first=3),), duration_s=60.0, propagation_delay_s=0.5)
    lost, back = played(crash, "random")
    assert math.isnan(lost.in_use_after_s.value)
    assert back.in_use_after_s.value <= 2.0
