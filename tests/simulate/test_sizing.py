import pytest

from tests.simulate.fleets import scenario
from trimtab.errors import ScenarioError
from trimtab.simulate.request_kind import RequestKind, ServiceTime
from trimtab.simulate.scenario import ClientGroup, PodGroup
from trimtab.simulate.sizing import Target, scaled, solve


def test_the_load_stays_while_the_pods_change() -> None:
    before = scenario(
        pods=(PodGroup(name="a", count=8, zones={"x": 5, "y": 3}), PodGroup(name="b", count=2)),
        requests=(RequestKind(service_time=ServiceTime(distribution="constant", mean_ms=10.0)),),
        clients=(ClientGroup(utilisation=0.6), ClientGroup(users=4)),
    )
    after = scaled(before, 15)
    assert [group.count for group in after.pods] == [12, 3]
    assert after.pods[0].zones == {"x": 8, "y": 4}
    assert after.clients[0].utilisation is None
    assert after.clients[0].requests_per_s == pytest.approx(600)
    assert after.clients[1].users == 4


@pytest.mark.parametrize("pods", range(3, 40))
def test_every_group_and_the_total_are_kept(pods: int) -> None:
    groups = (PodGroup(name="a", count=10), PodGroup(name="b", count=3), PodGroup(name="c", count=1))
    counts = [group.count for group in scaled(scenario(pods=groups), pods).pods]
    assert sum(counts) == pods
    assert len(counts) == 3


def test_one_pod_per_queue_needs_what_theory_says() -> None:
    # M/M/1 under random choice: p99 = ln 100 / (mu - lambda / n) <= 200 ms at mu = 100/s, lambda = 400/s needs n >= 5.2.
    load = scenario(duration_s=200.0, clients=(ClientGroup(requests_per_s=400),))
    [need] = solve(load, ["random"], Target("p99_ms", 200.0), [1, 2], processes=1)
    assert need.pods is not None
    assert need.pods.value in (5.5, 6.0)


def test_an_impossible_target_has_no_answer() -> None:
    load = scenario(duration_s=1.0, clients=(ClientGroup(requests_per_s=50),))
    [need] = solve(load, ["random"], Target("p99_ms", 0.001), [1], processes=1)
    assert need.pods is None


def test_targets_are_read_from_text() -> None:
    assert Target.parse("p99=50") == Target("p99_ms", 50.0)
    assert str(Target.parse("p999=7.5")) == "p999 ≤ 7.5 ms"
    for text in ("p99", "p98=3", "p99=fast", "p99=-1", "p99=nan"):
        with pytest.raises(ScenarioError, match="--hold: expected PERCENTILE=MILLISECONDS"):
            Target.parse(text)
