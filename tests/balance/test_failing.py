"""An endpoint that fails answers faster than the others: it must not become a magnet."""

from collections.abc import Sequence

import pytest

from tests.balance.virtual import REQUEST, Answer, world
from trimtab.balance import Node, Outcome, Pick, strategies
from trimtab.model import OutlierDetection, Policy, SuccessRate

every_strategy = pytest.mark.parametrize("name", sorted(strategies()))


def failing(*broken: Node, status: str = "UNAVAILABLE", share: float = 1.0) -> Answer:
    """`broken` fail at once; the others need 50 ms."""
    calls = 0

    def answer(node: Node) -> tuple[float, str]:
        nonlocal calls
        calls += 1
        fails = node in broken and (calls * 0.618034) % 1.0 < share
        return (0.001, status) if fails else (0.05, "OK")

    return answer


@every_strategy
@pytest.mark.parametrize(("count", "rate"), [(2, 300), (3, 300), (12, 60), (12, 600), (50, 3000)])
def test_who_fails_every_call_at_once_gets_less_than_2_percent_after_2_s(name: str, count: int, rate: float) -> None:
    shop, nodes = world(count, Policy(strategy=name))
    shop.run(5, rate, failing())
    shop.run(2, rate, failing(nodes[0]))
    counts = shop.run(20, rate, failing(nodes[0]))
    assert counts[nodes[0]] / counts.total() < 0.02


@every_strategy
def test_who_fails_is_still_probed_and_comes_back(name: str) -> None:
    shop, nodes = world(12, Policy(strategy=name))
    shop.run(30, 200, failing(nodes[0]))
    assert shop.run(60, 200, failing(nodes[0]))[nodes[0]] > 0
    shop.run(60, 200, failing())
    counts = shop.run(30, 200, failing())
    assert counts[nodes[0]] > 0.7 * counts.total() / 12


@pytest.mark.parametrize("name", ["p2c", "round_robin", "random", "weighted_round_robin"])
def test_who_fails_half_of_its_calls_gets_less_but_not_nothing(name: str) -> None:
    shop, nodes = world(12, Policy(strategy=name))
    shop.run(5, 600, failing(nodes[0], share=0.5))
    counts = shop.run(20, 600, failing(nodes[0], share=0.5))
    assert 0.02 < counts[nodes[0]] / (counts.total() / 12) < 0.75


def test_the_callers_own_mistakes_and_cancellations_do_not_count() -> None:
    for status in ("INVALID_ARGUMENT", "NOT_FOUND", "CANCELLED", "404"):
        shop, nodes = world(3)
        shop.run(5, 100, failing(nodes[0], status=status))
        assert nodes[0].success == 1.0


def test_what_counts_is_configurable_by_code_and_by_class_of_http_status() -> None:
    policy = Policy(success_rate=SuccessRate(failures=("ABORTED", "5xx")))
    for status, counts in (("ABORTED", True), ("503", True), ("UNAVAILABLE", False), ("429", False)):
        shop, _ = world(3, policy)
        pick = shop.balancer.pick(REQUEST)
        assert pick is not None
        pick.done(Outcome(status))
        assert (pick.node.success < 1.0) is counts, status


def test_switched_off_failures_change_nothing() -> None:
    shop, nodes = world(12, Policy(strategy="round_robin", success_rate=None))
    counts = shop.run(10, 600, failing(nodes[0]))
    assert counts[nodes[0]] == pytest.approx(counts.total() / 12, abs=1)


def test_where_everybody_fails_everybody_is_still_called() -> None:
    shop, nodes = world(6)
    shop.run(20, 200, failing(*nodes))
    counts = shop.run(20, 200, failing(*nodes))
    assert min(counts[node] for node in nodes) > 0.5 * counts.total() / 6


DETECTION = OutlierDetection()


def out(nodes: Sequence[Node]) -> list[Node]:
    """Who is ejected."""
    return [node for node in nodes if node.ejected_until is not None]


@pytest.mark.parametrize(("count", "ejected"), [(1, 0), (2, 1), (3, 1), (12, 2)])
def test_failures_in_a_row_eject_but_always_leave_someone(count: int, ejected: int) -> None:
    # A50 asks before it ejects: of 12, 10 percent are not reached with one.
    shop, nodes = world(count, Policy(outlier_detection=DETECTION))
    shop.run(5, 200, failing(*nodes))
    assert sum(node.ejected_until is not None for node in nodes) == ejected


def test_who_is_ejected_gets_nothing_and_comes_back_slowly() -> None:
    policy = Policy(outlier_detection=DETECTION, slow_start_s=60, success_rate=None)
    shop, nodes = world(12, policy)
    shop.run(1, 600, failing(nodes[0]))
    assert out(nodes) == [nodes[0]]
    assert shop.run(28, 600, failing())[nodes[0]] == 0
    shop.run(3, 600, failing())
    assert out(nodes) == []
    assert 0.1 <= nodes[0].ramp < 0.15


def test_the_ejection_grows_while_it_goes_on_and_is_forgiven_in_clean_intervals() -> None:
    shop, nodes = world(12, Policy(outlier_detection=DETECTION, success_rate=None))
    times: list[float] = []
    ejected_until = [0.0]
    while len(ejected_until) < 4:
        shop.run(1, 600, failing(nodes[0]))
        if (until := nodes[0].ejected_until) is not None and until != ejected_until[-1]:
            ejected_until.append(until)
            times.append(round(until - shop.now, -1))
    assert times == [30, 60, 90]
    shop.run(121, 100, failing())
    assert nodes[0].ejections < 3


def test_a_low_success_rate_ejects_as_a50_says() -> None:
    # 11 hosts at 100 % and one at 50 %: mean 0.958, stdev 0.138, so below 0.696 is out.
    policy = Policy(
        strategy="round_robin", success_rate=None, outlier_detection=OutlierDetection(consecutive_5xx=100_000)
    )
    shop, nodes = world(12, policy)
    shop.run(11, 600, failing(nodes[0], share=0.5))
    assert [node for node in nodes if node.ejected_until is not None] == [nodes[0]]


def test_few_hosts_or_few_requests_eject_nobody_by_rate() -> None:
    detection = OutlierDetection(consecutive_5xx=100_000)
    policy = Policy(strategy="round_robin", success_rate=None, outlier_detection=detection)
    for count, rate in ((4, 600), (12, 40)):
        shop, nodes = world(count, policy)
        shop.run(11, rate, failing(nodes[0]))
        assert all(node.ejected_until is None for node in nodes)


def test_a_failure_percentage_ejects_where_the_rates_vary_too_much_for_the_other_rule() -> None:
    detection = OutlierDetection(consecutive_5xx=10_000, success_rate_minimum_hosts=100, max_ejection_percent=50)
    shop, nodes = world(6, Policy(strategy="round_robin", success_rate=None, outlier_detection=detection))
    shop.run(11, 600, failing(nodes[0], nodes[1]))
    assert {node for node in nodes if node.ejected_until is not None} == {nodes[0], nodes[1]}


def test_who_fails_on_where_no_more_may_be_ejected_is_ejected_when_another_is_back() -> None:
    detection = OutlierDetection(
        consecutive_5xx=5, base_ejection_time_s=2.0, max_ejection_percent=10, interval_s=1000.0
    )
    shop, nodes = world(10, Policy("round_robin", success_rate=None, outlier_detection=detection))
    shop.run(0.5, 200, failing(nodes[0], nodes[1]))
    out = [node for node in nodes if node.ejected_until is not None]
    assert len(out) == 1
    (other,) = {nodes[0], nodes[1]} - set(out)
    assert other.failures_in_row > 5
    shop.run(2.0, 200, failing(other))
    shop.run(0.5, 200, failing(other))
    assert [node for node in nodes if node.ejected_until is not None] == [other]


def test_threads_that_count_failures_past_the_limit_do_not_miss_it() -> None:
    detection = OutlierDetection(consecutive_5xx=5)
    shop, nodes = world(3, Policy("round_robin", success_rate=None, outlier_detection=detection))
    # Another thread has counted the fifth and not yet looked.
    nodes[0].failures_in_row = 5
    Pick(nodes[0], shop.now).done(Outcome("UNAVAILABLE"))
    shop.now += 0.2
    shop.balancer.refresh()
    assert nodes[0].ejected_until is not None


def test_calls_that_were_under_way_at_an_ejection_do_not_make_it_longer() -> None:
    detection = OutlierDetection(consecutive_5xx=5, base_ejection_time_s=10.0, interval_s=1000.0)
    shop, nodes = world(3, Policy("round_robin", success_rate=None, outlier_detection=detection))
    calls = [Pick(nodes[0], shop.now) for _ in range(20)]
    for late in (calls[:5], calls[5:]):
        for call in late:
            call.done(Outcome("UNAVAILABLE"))
        shop.now += 0.2
        shop.balancer.refresh()
    assert nodes[0].ejections == 1
    assert nodes[0].ejected_until == pytest.approx(shop.now - 0.2 + 10.0)
