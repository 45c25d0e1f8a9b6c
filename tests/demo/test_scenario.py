import pytest

from trimtab.demo.scenario import Scenario


def test_a_third_of_the_pods_joins_late_in_scale_up() -> None:
    scenario = Scenario.named("scale-up", 12)
    assert (scenario.initial, scenario.joining, scenario.event) == (8, 4, "4 pods join")


def test_the_smallest_fleet_still_has_a_pod_to_begin_with_and_one_to_join() -> None:
    scenario = Scenario.named("scale-up", 2)
    assert (scenario.initial, scenario.joining, scenario.event) == (1, 1, "1 pod joins")


def test_one_pod_becomes_slow_in_slow_pod_and_nothing_happens_in_steady() -> None:
    assert Scenario.named("slow-pod", 12).slowed == 1
    assert Scenario.named("steady", 12).event is None


def test_a_scenario_nobody_wrote_is_an_error() -> None:
    with pytest.raises(ValueError, match="chaos"):
        Scenario.named("chaos", 12)
