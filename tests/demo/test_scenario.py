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


def test_all_pods_are_replaced_in_cold_start_and_other_things_are_compared() -> None:
    scenario = Scenario.named("cold-start", 12)
    assert (scenario.initial, scenario.replaced, scenario.event_at_s(28)) == (12, True, 7)
    assert scenario.event == "all pods are replaced, each with 3 s of cold start"
    assert scenario.contenders == ("cold", "slow-start", "warm-up+slow-start")
    assert Scenario.named("steady", 12).contenders == ("kube-proxy", "round-robin", "trimtab")


@pytest.mark.parametrize(("pods", "batch", "shortest_s"), [(2, 1, 8), (4, 1, 16), (7, 2, 16), (9, 3, 12), (12, 3, 16)])
def test_replacing_all_pods_takes_at_most_four_batches_and_their_cold_starts(
    pods: int, batch: int, shortest_s: float
) -> None:
    scenario = Scenario.named("cold-start", pods)
    assert (scenario.batch, scenario.shortest_duration_s) == (batch, shortest_s)
    assert scenario.shortest_duration_s < scenario.default_duration_s


def test_where_no_pod_is_replaced_any_duration_will_do() -> None:
    assert Scenario.named("slow-pod", 12).shortest_duration_s == 0


def test_a_scenario_nobody_wrote_is_an_error() -> None:
    with pytest.raises(ValueError, match="chaos"):
        Scenario.named("chaos", 12)
