import random
from collections import Counter

import pytest

from tests.simulate.fleets import scenario
from trimtab.balance import Node, Pick, Request
from trimtab.model import Endpoint, Policy, Shards
from trimtab.simulate.call import Call
from trimtab.simulate.contenders import contender
from trimtab.simulate.contenders.trimtab import trimtab
from trimtab.simulate.fleet import Fleet
from trimtab.simulate.pod import Pod
from trimtab.simulate.request_kind import Attribute, Cache, RequestKind, ServiceTime
from trimtab.simulate.scenario import ClientGroup, PodGroup
from trimtab.simulate.simulation import capacity, simulate
from trimtab.simulate.timeline import Timeline
from trimtab.simulate.work import Work, mean_s

TEN_MS = ServiceTime(distribution="constant", mean_ms=10.0)


def test_kinds_come_in_their_shares() -> None:
    kinds = (
        RequestKind(method="/shop/Browse", share=9, service_time=TEN_MS),
        RequestKind(method="/shop/Buy", share=1, service_time=ServiceTime(distribution="constant", mean_ms=110.0)),
    )
    work, rng = Work(kinds), random.Random(1)
    assert work.mean_s == pytest.approx(0.020)
    counts = Counter(work.draw(rng)[0].method for _ in range(10_000))
    assert counts["/shop/Buy"] / 10_000 == pytest.approx(0.1, abs=0.01)


def test_attributes_are_drawn_by_their_popularity() -> None:
    kind = RequestKind(attributes={"shard": Attribute(values=4), "hash_key": Attribute(values=3, zipf=1.0)})
    work, rng = Work((kind,)), random.Random(1)
    drawn = [work.draw(rng)[0].attributes for _ in range(12_000)]
    shards = Counter(attributes["shard"] for attributes in drawn)
    keys = Counter(attributes["hash_key"] for attributes in drawn)
    assert shards.keys() == {"0", "1", "2", "3"}
    assert all(count / 12_000 == pytest.approx(1 / 4, abs=0.02) for count in shards.values())
    # 1 : 1/2 : 1/3 is 6 : 3 : 2.
    assert [keys[key] / 12_000 for key in ("0", "1", "2")] == pytest.approx([6 / 11, 3 / 11, 2 / 11], abs=0.02)


def test_callers_may_know_what_a_request_costs() -> None:
    exact, fixed = (Work((RequestKind(service_time=ServiceTime(mean_ms=10.0), cost=cost),)) for cost in ("exact", 3.0))
    request, demand_s = exact.draw(random.Random(1))
    assert request.attributes["cost"] == pytest.approx(demand_s * 1000)
    assert fixed.draw(random.Random(1))[0].attributes == {"cost": 3.0}


def test_balancing_by_declared_cost_evens_out_work_that_counts_of_calls_do_not_see() -> None:
    # Nine of ten requests are done at once, the tenth keeps a pod busy for half a second.
    kinds = (
        RequestKind(share=9, service_time=ServiceTime(distribution="constant", mean_ms=2.0), cost="exact"),
        RequestKind(share=1, service_time=ServiceTime(distribution="constant", mean_ms=500.0), cost="exact"),
    )
    asked = scenario(requests=kinds, clients=(ClientGroup(utilisation=0.6),), duration_s=60.0)
    by_calls, by_cost = (
        simulate(asked, chooser, seed=1) for chooser in (contender("p2c"), trimtab(Policy(load="cost")))
    )
    waits = [sum(run.ledger.latency_s) / len(run.ledger) for run in (by_calls, by_cost)]
    assert waits[1] < waits[0]


def test_every_group_of_clients_may_ask_for_something_else() -> None:
    cheap = RequestKind(method="/cheap", service_time=ServiceTime(distribution="constant", mean_ms=1.0))
    clients = (ClientGroup(name="a", utilisation=0.3), ClientGroup(name="b", utilisation=0.3, requests=(cheap,)))
    asked = scenario(clients=clients, requests=(RequestKind(service_time=TEN_MS),))
    assert [capacity(asked, group) for group in clients] == pytest.approx([1000, 10_000])
    run = simulate(asked, contender("random"), seed=1)
    assert len(run.ledger) == pytest.approx(3000 + 30_000, rel=0.05)
    assert sum(pod.busy_s for pod in run.pods) / 100 == pytest.approx(0.6, rel=0.05)


def test_pods_may_have_service_times_of_their_own() -> None:
    pods = (PodGroup(name="disk", count=1, service_time=TEN_MS), PodGroup(name="ram", count=1))
    asked = scenario(
        pods=pods,
        clients=(ClientGroup(requests_per_s=2.0),),
        requests=(RequestKind(service_time=ServiceTime(distribution="constant", mean_ms=1.0)),),
        duration_s=100.0,
    )
    assert capacity(asked, asked.clients[0]) == pytest.approx(100 + 1000)
    run = simulate(asked, contender("round_robin"), seed=1)
    fastest = {
        pod: min(s for s, by in zip(run.ledger.latency_s, run.ledger.pod, strict=True) if by == pod) for pod in (0, 1)
    }
    assert fastest == pytest.approx({0: 0.010, 1: 0.001})


def test_a_pod_works_less_on_what_it_remembers() -> None:
    pod = _pod(Cache(entries=2, hit=0.1))
    works = [_work(pod, key) for key in ("a", "a", "b", "a", "c", "b", "a", None)]
    # c pushed b out, b pushed a out; whoever has no key is worked on in full.
    assert works == pytest.approx([1.0, 0.1, 1.0, 0.1, 1.0, 1.0, 1.0, 1.0])


def test_equal_keys_to_the_same_pod_make_caches_worth_more() -> None:
    keyed = RequestKind(service_time=TEN_MS, attributes={"hash_key": Attribute(values=1000)})
    pods = (PodGroup(name="pod", count=10, cache=Cache(entries=100, hit=0.1)),)
    asked = scenario(pods=pods, requests=(keyed,), clients=(ClientGroup(requests_per_s=500),), duration_s=20.0)
    busy = [sum(pod.busy_s for pod in simulate(asked, contender(name), 1).pods) for name in ("p2c", "consistent_hash")]
    assert busy[1] < 0.6 * busy[0]


def test_the_mean_is_what_draws_have_on_average() -> None:
    truncated = ServiceTime(distribution="truncated-normal", mean_ms=77.6, deviation_ms=77.6)
    assert mean_s(truncated) == pytest.approx(0.1, rel=0.02)
    assert mean_s(ServiceTime(distribution="lognormal", mean_ms=40.0)) == 0.04


def _pod(cache: Cache) -> Pod:
    [pod] = Fleet((PodGroup(name="pod", count=1, cache=cache),), Timeline(), "1").pods
    return pod


def _work(pod: Pod, key: str | None) -> float:
    request = Request("/a", attributes={} if key is None else {"hash_key": key})
    assert pod.work_on is not None
    return pod.work_on(Call(None, request, 0.0, 1.0, Pick(Node(Endpoint("10.0.0.1", 80)), 0.0)))  # type: ignore[arg-type]


def test_requests_go_to_the_pods_of_their_shard_even_if_those_are_connected_only_when_asked_for() -> None:
    pods = tuple(PodGroup(name=f"shard-{shard}", count=3, labels={"shard": shard}) for shard in "01")
    kind = RequestKind(service_time=TEN_MS, attributes={"shard": Attribute(values=3)})
    asked = scenario(pods=pods, requests=(kind,), clients=(ClientGroup(count=3, requests_per_s=90.0),))
    shards = Shards(label="shard")
    for most in (100, 3):
        run = simulate(asked, trimtab(Policy(shards=shards, max_connections=most)), seed=1)
        counts = Counter(run.ledger.pod)
        # Nobody has the third shard.
        assert counts[-1] / len(run.ledger) == pytest.approx(1 / 3, abs=0.06)
        assert all(counts[pod] / len(run.ledger) == pytest.approx(1 / 9, abs=0.06) for pod in range(6))
