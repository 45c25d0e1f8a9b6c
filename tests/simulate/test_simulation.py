from collections import Counter

import numpy as np
import pytest

from tests.simulate import fleets
from tests.simulate.fleets import requests, scenario, statuses
from trimtab.model import Policy
from trimtab.simulate.arrivals import Sent
from trimtab.simulate.contenders import contender
from trimtab.simulate.contenders.trimtab import trimtab
from trimtab.simulate.event import Crash, Fail, Hang, Outage, Roll, Slow, Start, Stop
from trimtab.simulate.request_kind import RequestKind, ServiceTime
from trimtab.simulate.scenario import ClientGroup, ColdStart, CurvePoint, LoadStep, Network, PodGroup
from trimtab.simulate.simulation import Run, simulate
from trimtab.simulate.statistics import Columns


def play(name: str = "p2c", seed: int = 1, **changes: object) -> Run:
    return simulate(scenario(**changes), contender(name), seed)


def test_a_seed_gives_the_same_run_and_another_seed_another() -> None:
    first, second, other = play(seed=1), play(seed=1), play(seed=2)
    assert first.ledger.latency_s == second.ledger.latency_s
    assert first.ledger.pod == second.ledger.pod
    assert first.ledger.latency_s != other.ledger.latency_s


def test_contenders_face_the_same_requests() -> None:
    runs = [play(name) for name in ("p2c", "kube-proxy", "random")]
    times = [sorted(run.ledger.started_s)[:4000] for run in runs]
    assert times[0] == times[1] == times[2]


def test_no_request_is_lost() -> None:
    sent = 0

    def count(progress: float) -> None:
        nonlocal sent
        sent += 1

    run = simulate(scenario(), contender("p2c"), 1, count)
    assert sent == 100, "progress is reported in percent"
    # Utilisation 0.6 of ten pods that do 100 requests per second each, for ten seconds.
    assert len(run.ledger) == pytest.approx(6000, rel=0.05)
    assert sum(pod.busy_s for pod in run.pods) / 100.0 == pytest.approx(0.6, rel=0.05)


def test_load_steps_change_the_rate() -> None:
    clients = ClientGroup(requests_per_s=200, load=(LoadStep(at_s=4, factor=0), LoadStep(at_s=6, factor=3)))
    run = play(clients=(clients,))
    assert requests(run, 0, 4).total() == pytest.approx(800, rel=0.1)
    assert requests(run, 4, 6).total() == 0
    assert requests(run, 6, 9).total() == pytest.approx(1800, rel=0.1)


def test_users_wait_for_their_answers() -> None:
    # 40 users, 10 pods with nothing to wait for but the work: the pods are always busy.
    run = play(clients=(ClientGroup(users=40),))
    assert sum(pod.busy_s for pod in run.pods) / 100.0 == pytest.approx(1.0, rel=0.02)
    assert all(pod.load == 0 for pod in run.pods), "whoever was waiting in the end has an answer"


def test_a_slow_pod_gets_fewer_requests_from_two_choices_and_as_many_from_round_robin() -> None:
    events = (Slow(at_s=0, first=1, factor=4.0),)
    assert requests(play("p2c", events=events))[0] < 450
    assert requests(play("round_robin", events=events))[0] == pytest.approx(600, rel=0.05)


def test_a_slow_phase_ends() -> None:
    run = play("round_robin", events=(Slow(at_s=2, until_s=4, factor=10.0),), clients=(ClientGroup(utilisation=0.05),))
    columns = Columns.of(run.ledger, run.warm_up_s)
    slow = (columns.started_s >= 2) & (columns.started_s < 3.8)
    after = columns.started_s > 6
    assert np.mean(columns.latency_s[slow]) > 5 * np.mean(columns.latency_s[after])


def test_failing_pods_answer_errors_for_a_while() -> None:
    # By chance alone: with the default policy failures would push requests away from the pods that fail.
    blind = trimtab(Policy(strategy="random", success_rate=None))
    run = simulate(scenario(events=(Fail(at_s=2, until_s=5, first=5, share=0.5),)), blind, 1)
    assert set(statuses(run, 0, 2)) == {"OK"}
    during = statuses(run, 2, 5)
    assert during["INTERNAL"] / during.total() == pytest.approx(0.25, abs=0.03)
    assert set(statuses(run, 5, 9)) == {"OK"}


def test_requests_to_a_hanging_pod_end_by_their_deadline() -> None:
    run = play("random", events=(Hang(at_s=0, first=1),), timeout_s=0.5)
    assert statuses(run, 0, 9)["DEADLINE_EXCEEDED"] > 0
    columns = Columns.of(run.ledger)
    assert max(columns.latency_s) == pytest.approx(0.5)


def test_a_crash_loses_what_is_on_the_pod_and_connections_avoid_it_at_once() -> None:
    run = play(events=(Crash(at_s=3, until_s=6, first=2),), clients=(ClientGroup(count=5, utilisation=0.7),))
    lost = statuses(run)["UNAVAILABLE"]
    assert 1 <= lost <= 40
    assert statuses(run, 3.01)["UNAVAILABLE"] == 0
    during = requests(run, 3.01, 6)
    assert during[0] == during[1] == 0
    assert requests(run, 6.5, 9)[0] > 50


def test_new_pods_get_requests_once_clients_hear_of_them() -> None:
    pods = (PodGroup(name="old", count=5), PodGroup(name="new", count=5))
    events = (Start(at_s=4, pods="new"),)
    run = play(pods=pods, events=events, propagation_delay_s=2.0, clients=(ClientGroup(requests_per_s=300),))
    assert set(requests(run, 0, 5.99)) <= set(range(5))
    assert set(requests(run, 6.1, 10)) == set(range(10))
    assert set(requests(play("kube-proxy", pods=pods, events=events))) <= set(range(5))


def test_an_outage_of_the_control_plane_delays_news_and_loses_nothing() -> None:
    pods = (PodGroup(name="old", count=5), PodGroup(name="new", count=5))
    events = (Start(at_s=3, pods="new"), Outage(at_s=2, until_s=7))
    run = play(pods=pods, events=events, propagation_delay_s=0.0, clients=(ClientGroup(requests_per_s=300),))
    assert set(requests(run, 0, 7)) <= set(range(5))
    assert set(requests(run, 7.1, 10)) == set(range(10))
    assert set(statuses(run)) == {"OK"}


def test_a_graceful_stop_loses_nothing() -> None:
    run = play(events=(Stop(at_s=3, first=3, grace_s=2.0),))
    assert set(statuses(run)) == {"OK"}
    assert not set(requests(run, 4.1, 10)) & {0, 1, 2}


def test_a_rolling_deploy_replaces_every_pod_without_an_error() -> None:
    run = play(events=(Roll(at_s=1, every_s=0.5, grace_s=2.0),), propagation_delay_s=0.5)
    assert set(statuses(run)) == {"OK"}
    assert len(run.pods) == 20
    assert set(requests(run, 8.1, 10)) == set(range(10, 20))


def test_a_cold_pod_is_slow_at_first() -> None:
    cold = PodGroup(name="pod", count=1, cold_start=ColdStart(factor=5, duration_s=8), cold_at_start=True)
    run = play("random", pods=(cold,), clients=(ClientGroup(requests_per_s=20),), duration_s=60.0)
    columns = Columns.of(run.ledger)
    early, late = columns.started_s < 1.0, columns.started_s > 10
    assert np.mean(columns.latency_s[early]) > 3 * np.mean(columns.latency_s[late])
    assert run.pods[0].pace == pytest.approx(1.0)


def test_a_cold_start_may_follow_a_measured_curve() -> None:
    curve = (CurvePoint(age_s=0, factor=9), CurvePoint(age_s=4, factor=5), CurvePoint(age_s=10, factor=1.5))
    cold = ColdStart(curve=curve)
    assert [cold.factor_at(age_s) for age_s in (0, 2, 4, 7, 9.999, 10, 99)] == pytest.approx(
        [9, 7, 5, 3.25, 1.5, 1, 1], abs=0.001
    )
    group = PodGroup(name="pod", count=1, cold_start=cold, cold_at_start=True)
    run = play("random", pods=(group,), clients=(ClientGroup(requests_per_s=10),), duration_s=20.0)
    assert run.pods[0].pace == pytest.approx(1.0)


def test_every_pair_of_zones_has_its_latency() -> None:
    network = Network(same_zone_ms=1.0, cross_zone_ms=100.0, between_ms={"a": {"b": 10.0, "c": 20.0}, "c": {"a": 30.0}})
    run = play(
        "envoy-least-request",
        pods=(PodGroup(name="pod", count=3, zones={"a": 1, "b": 1, "c": 1}),),
        clients=tuple(ClientGroup(name=zone, zones={zone: 1}, requests_per_s=1) for zone in "abc"),
        requests=(RequestKind(service_time=ServiceTime(distribution="constant", mean_ms=0.001)),),
        network=network,
        duration_s=200.0,
    )
    rows = zip(run.ledger.client, run.ledger.pod, run.ledger.latency_s, strict=True)
    shortest: dict[str, float] = {}
    for client, pod, latency_s in rows:
        pair = run.ledger.localities[client].zone + run.pods[pod].locality.zone
        shortest[pair] = min(latency_s * 1000, shortest.get(pair, 1e9))
    there_and_back = {"aa": 2, "ab": 20, "ba": 20, "ac": 40, "ca": 60, "bc": 200, "cb": 200, "bb": 2, "cc": 2}
    assert shortest == pytest.approx(there_and_back, rel=0.01)


def test_the_network_takes_its_time_there_and_back() -> None:
    run = play(
        "random",
        pods=(PodGroup(name="pod", count=2, zones={"a": 1, "b": 1}),),
        clients=(ClientGroup(count=1, zones={"a": 1}, requests_per_s=2),),
        network=Network(same_zone_ms=0.0, cross_zone_ms=1000.0),
        duration_s=200.0,
    )
    columns = Columns.of(run.ledger)
    local, remote = columns.latency_s[columns.pod == 0], columns.latency_s[columns.pod == 1]
    assert min(remote) > 2.0 > max(local)


def test_cancelled_requests_leave_no_count_behind() -> None:
    run = play("p2c", timeout_s=0.02, clients=(ClientGroup(count=2, utilisation=0.9),))
    assert Counter(statuses(run)).keys() == {"OK", "DEADLINE_EXCEEDED"}
    assert fleets.requests(run).total() == len(run.ledger)


def test_calls_beyond_the_limit_fail_at_once() -> None:
    run = simulate(scenario(clients=(ClientGroup(count=1, utilisation=0.6),)), trimtab(Policy(max_requests=2)), 1)
    ended = statuses(run)
    assert set(ended) == {"OK", "UNAVAILABLE"}
    # Utilisation 0.6 of ten pods is six requests at a time: with two, Erlang's formula lets 29 in 100 through (M/G/2/2).
    assert ended["OK"] / ended.total() == pytest.approx(0.28, abs=0.03)


def test_the_very_requests_of_another_run_can_be_sent_again() -> None:
    sent = [Sent(0.5, 1, 0.010), Sent(0.5, 0, 0.020), Sent(2.0, 4, 0.030)]
    run = simulate(scenario(), contender("round_robin"), 1, replay=sent)
    assert list(run.ledger.started_s) == [0.5, 0.5, 2.0]
    assert list(run.ledger.latency_s) == pytest.approx([0.010, 0.020, 0.030])
