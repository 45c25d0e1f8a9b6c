from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
import yaml

from trimtab.errors import ScenarioError
from trimtab.simulate import experiment
from trimtab.simulate.contenders import contender, named
from trimtab.simulate.event import Roll
from trimtab.simulate.export import Series
from trimtab.simulate.observed import Observed, RunningPod, observed
from trimtab.simulate.own_fleet import Given, RealFleet, scenario_of
from trimtab.simulate.scenario import Contestant, Scenario
from trimtab.simulate.scenario_file import parse

PODS = tuple(
    RunningPod(name=f"web-{number}", address=f"10.0.0.{number}:8080", zone=zone)
    for number, zone in ((1, "a"), (2, "a"), (3, "b"), (4, "b"))
)
NOTHING = observed(PODS, [], [])


def fleet(clients: Mapping[str, int] | None = None, policy: Mapping[str, Any] | None = None) -> RealFleet:
    return RealFleet("web.prod:8080", "somebody", PODS, clients or {}, policy or {})


def steady(value: float, times: Sequence[float] = (0, 60, 120, 180)) -> Sequence[tuple[float, float]]:
    return [(at, value) for at in times]


def made(seen: Observed = NOTHING, clients: Mapping[str, int] | None = None, **given: Any) -> Scenario:
    return scenario_of(fleet(clients), seen, Given(**given))


def test_load_and_latency_may_be_given_by_hand() -> None:
    scenario = made(requests_per_s=200.0, service_time_ms=25.0, concurrency=4)
    [pods] = scenario.pods
    assert (pods.count, pods.zones, pods.concurrency, pods.speed) == (4, {"a": 2, "b": 2}, 4, 1.0)
    [clients] = scenario.clients
    assert (clients.count, clients.zones, clients.requests_per_s) == (4, {"a": 2, "b": 2}, 200.0)
    assert scenario.requests[0].service_time.mean_ms == 25.0
    assert "Assumed: as many clients as pods." in scenario.about


def test_a_measured_course_of_the_load_is_played_in_the_time_of_the_simulation() -> None:
    growing = [(at, 10.0 if at < 1800 else 30.0) for at in range(0, 3600, 60)]
    seen = observed(PODS, [Series((pod.name,), growing) for pod in PODS], [])
    assert seen.span_s == 3600
    scenario = made(seen, service_time_ms=25.0, duration_s=30.0)
    [clients] = scenario.clients
    assert clients.requests_per_s == pytest.approx(4 * 20)
    assert [(step.at_s, step.factor) for step in clients.load][29:31] == [(14.5, 0.5), (15.0, 1.5)]
    scaled = made(seen, service_time_ms=25.0, duration_s=30.0, requests_per_s=800.0)
    assert scaled.clients[0].requests_per_s == 800.0
    assert scaled.clients[0].load == clients.load


def test_pods_need_not_be_measured_in_the_same_moments() -> None:
    series = [
        Series((pod.name,), steady(10.0, [at + offset for at in range(0, 600, 30)])) for offset, pod in enumerate(PODS)
    ]
    load = observed(PODS, series, []).load
    assert {value for _, value in load[:-1]} == {40.0}


def test_several_series_of_a_pod_add_up_and_pods_are_known_by_name_or_ip_with_any_port() -> None:
    series = [Series(("GET", "web-1"), steady(3.0)), Series(("POST", "web-1"), steady(4.0))]
    series += [
        Series(("10.0.0.2:8080",), steady(5.0)),
        Series(("10.0.0.3",), steady(6.0)),
        Series(("10.0.0.4:9100",), steady(1.0)),
        Series(("10.0.0.40:8080",), steady(9.0)),
        Series(("else",), steady(9.0)),
    ]
    seen = observed(PODS, series, [])
    assert [value for _, value in seen.load] == [19.0] * 4
    assert list(seen.strangers) == ["10.0.0.40:8080", "else"]
    assert (
        "Left out, because they are no pods of the service: 10.0.0.40:8080, else."
        in made(seen, service_time_ms=1.0).about
    )


def test_slow_pods_are_known_by_their_latency() -> None:
    latency = [Series((pod.name,), steady(0.090 if pod.name == "web-4" else 0.030)) for pod in PODS[1:]]
    scenario = made(observed(PODS, [], latency), requests_per_s=100.0)
    assert scenario.requests[0].service_time.mean_ms == pytest.approx(30.0)
    assert [(group.count, group.zones) for group in scenario.pods] == [(1, {"b": 1}), (3, {"a": 2, "b": 1})]
    assert scenario.pods[0].speed == pytest.approx(1 / 3, rel=0.05)


def test_clients_are_those_that_the_control_plane_counts() -> None:
    counted = made(clients={"a": 6, "c": 2, "": 4}, requests_per_s=1.0, service_time_ms=1.0)
    assert counted.clients[0].count == 12
    assert counted.clients[0].zones == {"a": 9, "c": 3}
    told = scenario_of(fleet({"a": 6, "c": 2}), NOTHING, Given(requests_per_s=1.0, service_time_ms=1.0, clients=4))
    assert told.clients[0].zones == {"a": 3, "c": 1}


def test_the_policy_in_force_is_a_contender() -> None:
    scenario = scenario_of(
        fleet(policy={"strategy": "least_request"}),
        NOTHING,
        Given(requests_per_s=50.0, service_time_ms=5.0, duration_s=1.0),
    )
    assert scenario.contenders[-1] == Contestant(name="as configured", policy={"strategy": "least_request"})
    findings = experiment.run(scenario, scenario.contenders, [1], processes=1)
    assert all(finding.metric("requests").value > 0 for finding in findings)


def test_a_service_that_passes_through_is_played_as_grpc_round_robin_over_dns() -> None:
    policy = {"mode": "passthrough"}
    assert named(Contestant(name="as configured", policy=policy)) == ("as configured", contender("headless-dns"))
    given = Given(requests_per_s=400.0, service_time_ms=5.0, duration_s=2.0)
    scenario = scenario_of(fleet(policy=policy), NOTHING, given)
    compared = ["headless-dns", "p2c", scenario.contenders[-1]]
    dns, ours, configured = experiment.run(scenario, compared, [1], processes=1)
    assert configured.runs[0].values == dns.runs[0].values
    assert configured.runs[0].values != ours.runs[0].values


def test_a_mistake_in_an_event_is_told_of_the_option() -> None:
    with pytest.raises(ScenarioError, match=r"web.prod:8080: --event\[0\].zone: there is no zone 'c'; there are a, b"):
        made(requests_per_s=1.0, service_time_ms=1.0, events=(Roll(at_s=3, zone="c"),))


def test_what_is_saved_is_the_same_scenario() -> None:
    seen = observed(PODS, [Series(("web-1",), [(0, 10.0), (60, 20.0)])], [])
    scenario = made(seen, service_time_ms=25.0, events=(Roll(at_s=3),))
    assert parse(yaml.safe_dump(msgspec.to_builtins(scenario)), "saved.yaml") == scenario


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "how much load? Give --requests-per-s, or --qps"),
        ({"requests_per_s": 3.0}, "how long does a request take? Give --service-time-ms, or --latency"),
    ],
)
def test_what_is_missing_is_asked_for(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        made(**given)
    assert message in str(caught.value)


def test_exports_of_another_service_are_refused() -> None:
    series = [Series((f"api-{number}",), steady(1.0)) for number in range(5)]
    with pytest.raises(
        ScenarioError, match=r"measured are api-0, api-1, api-2, …; the service has web-1, web-2, web-3, …"
    ):
        observed(PODS, series, [])
    with pytest.raises(ScenarioError, match="no requests in the whole time"):
        observed(PODS, [Series(("web-1",), steady(0.0))], [])


def test_a_service_without_endpoints_cannot_be_simulated() -> None:
    empty = RealFleet("web.prod:8080", "somebody", (), {}, {})
    with pytest.raises(ScenarioError, match="no healthy endpoint"):
        scenario_of(empty, NOTHING, Given(requests_per_s=1.0, service_time_ms=1.0))
