"""How a new endpoint comes to its share."""

from dataclasses import replace

import pytest

from tests.balance import fleet
from tests.balance.virtual import REQUEST, World, steady, world
from trimtab.balance import Outcome, strategies
from trimtab.balance.slow_start import ramp
from trimtab.model import Policy

SHARED_OUT = sorted(set(strategies()) - {"consistent_hash"})
"""Strategies that give every node its share whatever the requests are."""


@pytest.mark.parametrize(
    ("age_s", "aggression", "expected"),
    [
        (6, 1, 0.10),
        (15, 1, 0.25),
        (30, 1, 0.50),
        (6, 2, 0.316),
        (15, 2, 0.5),
        (30, 2, 0.707),
        (6, 0.5, 0.1),
        (30, 0.5, 0.25),
        (60, 1, 1.0),
    ],
)
def test_the_curve_is_envoys(age_s: float, aggression: float, expected: float) -> None:
    assert ramp(age_s, 60, aggression, 0.1) == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize("name", SHARED_OUT)
@pytest.mark.parametrize("takes_s", [0.001, 0.05, 0.3], ids=["idle", "some in flight", "many in flight"])
def test_a_new_pod_never_gets_more_than_its_ramp_allows(name: str, takes_s: float) -> None:
    rate, window_s = 600.0, 60.0
    shop, _ = world(11, Policy(strategy=name, slow_start_s=window_s))
    shop.run(10, rate, steady(takes_s))
    (new,) = shop.assign(*fleet.endpoints(11), *fleet.endpoints(1, start=100))
    added_at = shop.now
    for _ in range(10):
        counts = shop.run(window_s / 10, rate, steady(takes_s))
        allowed = ramp(shop.now - added_at, window_s, 1.0, 0.1)
        fair = counts.total() * allowed / (11 + allowed)
        assert counts[new] <= 1.1 * fair + 1, f"{counts[new]} of {fair:.1f} after {shop.now - added_at:.0f} s"
        assert counts[new] >= 0.5 * fair, "and it is not starved"


@pytest.mark.parametrize("name", sorted(strategies()))
@pytest.mark.parametrize(
    ("old", "new", "load", "aggression", "least"),
    [
        (1, 1, "in_flight", 1.0, 0.1),
        (3, 1, "peak_ewma", 2.0, 0.1),
        (6, 6, "cost", 0.5, 0.02),
        (11, 1, "in_flight", 2.0, 0.3),
    ],
)
def test_nor_whatever_the_curve_the_load_and_the_fleet(
    name: str, old: int, new: int, load: str, aggression: float, least: float
) -> None:
    rate, window_s = 600.0, 40.0
    curve = Policy(name, load=load, slow_start_s=window_s, slow_start_aggression=aggression, slow_start_min=least)
    shop, _ = world(old, curve)
    shop.run(5, rate, steady(0.02))
    newcomers = shop.assign(*fleet.endpoints(old), *fleet.endpoints(new, start=100))
    added_at = shop.now
    for _ in range(20):
        counts = shop.run(window_s / 20, rate, steady(0.02))
        allowed = new * ramp(shop.now - added_at, window_s, aggression, least)
        fair = counts.total() * allowed / (old + allowed)
        got = sum(counts[node] for node in newcomers)
        assert got <= 1.1 * fair + new, f"{got} of {fair:.1f} after {shop.now - added_at:.0f} s"


def test_a_fleet_that_is_all_new_ramps_nobody() -> None:
    shop = World(Policy(slow_start_s=60))
    young = [replace(endpoint, ready_since=shop.now - 1) for endpoint in fleet.endpoints(5)]
    assert {node.ramp for node in shop.assign(*young)} == {1.0}


def test_a_restarted_client_ramps_only_what_is_new_to_the_control_plane() -> None:
    shop = World(Policy(slow_start_s=60))
    old = [replace(endpoint, ready_since=shop.now - 3600) for endpoint in fleet.endpoints(5)]
    young = replace(fleet.endpoints(1, start=10)[0], ready_since=shop.now - 30)
    nodes = shop.assign(*old, young)
    assert [node.ramp for node in nodes] == [1.0] * 5 + [0.5]


@pytest.mark.parametrize("skew_s", [-5000.0, 5000.0])
def test_clocks_that_run_apart_do_not_age_a_pod(skew_s: float) -> None:
    shop = World(Policy(slow_start_s=60))
    old, *_ = fleet.endpoints(1)
    young = replace(fleet.endpoints(1, start=10)[0], ready_since=shop.now + skew_s - 30)
    nodes = shop.assign(old, young, clock_offset_s=-skew_s)
    assert [node.ramp for node in nodes] == [1.0, 0.5]


def test_without_the_control_planes_word_only_what_appears_later_is_new() -> None:
    shop, first = world(3, Policy(slow_start_s=60))
    (later,) = shop.assign(*fleet.endpoints(4))
    assert [node.ramp for node in first] == [1.0] * 3
    assert later.ramp == 0.1


def test_a_node_that_never_answered_gets_one_call_at_a_time() -> None:
    shop, _ = world(3)
    shop.run(5, 100, steady(0.02))
    (new,) = shop.assign(*fleet.endpoints(4))
    picks = []
    for _ in range(200):
        shop.now += 0.001
        picks.append(shop.balancer.pick(REQUEST))
        assert new.in_flight <= 1
    assert new.in_flight == 1
    for pick in picks:
        assert pick is not None
        pick.done(Outcome("OK"))
    shop.now += 0.2
    assert new.proven
    picks = [shop.balancer.pick(REQUEST) for _ in range(20)]
    assert new.in_flight > 1
    for pick in picks:
        assert pick is not None
        pick.done(Outcome("OK"))


def test_a_stream_that_began_to_answer_and_goes_on_keeps_no_others_away() -> None:
    shop, _ = world(3)
    shop.run(5, 100, steady(0.02))
    (new,) = shop.assign(*fleet.endpoints(4))
    picks = [shop.balancer.pick(REQUEST) for _ in range(40)]
    (probe,) = new.outstanding
    probe.answered()
    assert new.proven
    assert new.quota is None
    shop.now += 0.2
    picks += [shop.balancer.pick(REQUEST) for _ in range(40)]
    assert new.in_flight > 1
    assert all(pick is not None for pick in picks)


def test_clients_that_see_the_same_new_node_do_not_call_it_in_the_same_moment() -> None:
    first_calls = set()
    for seed in range(20):
        shop, _ = world(20, seed=seed)
        shop.run(2, 100, steady(0.02))
        (new,) = shop.assign(*fleet.endpoints(21))
        calls = 0
        while not new.outstanding:
            calls += 1
            shop.now += 0.01
            shop.balancer.pick(REQUEST)
        first_calls.add(calls)
    assert len(first_calls) > 8
    assert max(first_calls) > 10
