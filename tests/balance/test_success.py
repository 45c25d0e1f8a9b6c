"""Failures in a row: when a node is taken to be down, how seldom it is called then, and how it comes back."""

from math import e, log

import pytest

from tests.balance import fleet
from tests.balance.virtual import Answer, World, steady, world
from trimtab.balance import Connectivity, Node, Outcome, Pick, strategies
from trimtab.balance.feedback import Feedback
from trimtab.balance.success import recover
from trimtab.model import Assignment, Locality, LocalityEndpoints, OutlierDetection, Policy, SuccessRate

every_strategy = pytest.mark.parametrize("name", sorted(strategies()))
SETTINGS = SuccessRate()
STEADY = steady(0.05)


def broken(node: Node) -> Answer:
    """It fails every call at once; the others need 50 ms."""
    return lambda called: (0.001, "UNAVAILABLE") if called is node else (0.05, "OK")


class Calls:
    """Calls of one node, each when a test says so."""

    def __init__(self, success: float = 1.0, policy: Policy | None = None) -> None:
        self.now = 1000.0
        (self.node,) = fleet.nodes(1)
        self.node.success, self.node.success_at = success, self.now
        self.node.feedback = Feedback(policy or Policy(), lambda: self.now, lambda: None, None)

    def start(self) -> Pick:
        return Pick(self.node, self.now)

    def fail(self, times: int = 1) -> float:
        """So many calls fail, one after the other; what its success is then."""
        for _ in range(times):
            self.end(self.start(), "UNAVAILABLE")
        return self.node.success

    def end(self, call: Pick, status: str = "OK") -> float:
        self.now += 0.001
        call.done(Outcome(status))
        return self.node.success


@pytest.mark.parametrize(("before", "plausible"), [(1.0, 1), (0.99, 1), (0.95, 2), (0.88, 3), (0.8, 4), (0.5, 9)])
def test_a_run_that_chance_does_not_explain_once_in_1000_means_that_the_node_is_down(
    before: float, plausible: int
) -> None:
    calls = Calls(before)
    average = before
    for failures in range(1, plausible + 1):
        average *= 0.9**failures
        assert calls.fail() == pytest.approx(max(SETTINGS.floor, average), rel=0.01)
    likelihood = 1000 * max(0.007, 1 - before) ** (plausible + 1)
    assert likelihood < 1
    assert calls.fail() == pytest.approx(
        max(SETTINGS.floor, min(average * 0.9 ** (plausible + 1), likelihood)), rel=0.02
    )
    assert calls.node.failure_run is not None
    assert calls.node.failure_run.likelihood == pytest.approx(likelihood, rel=0.02)


def test_a_single_failure_is_noise() -> None:
    calls = Calls()
    assert calls.fail() == pytest.approx(0.9)
    assert calls.end(calls.start()) == pytest.approx(0.91, abs=0.001)
    assert calls.fail() == pytest.approx(0.82, abs=0.001)


def test_each_failure_more_lets_the_next_call_wait_longer_until_the_floor() -> None:
    calls = Calls()
    calls.fail()
    assert [calls.fail() for _ in range(4)] == pytest.approx([0.049, 0.01225, 0.01, 0.01], rel=0.02)


def test_calls_under_way_together_fail_together() -> None:
    calls = Calls()
    together = [calls.start() for _ in range(5)]
    assert min(calls.end(call, "UNAVAILABLE") for call in together) == pytest.approx(0.9**15, rel=0.01)
    assert calls.end(calls.start()) > 0.25


def test_an_answer_ends_the_run_and_what_counts_is_the_average_again() -> None:
    calls = Calls()
    assert calls.fail(3) < 0.02
    assert calls.end(calls.start()) == pytest.approx(0.9**6 + 0.1 * (1 - 0.9**6), abs=0.001)
    assert calls.node.failure_run is None


def test_an_answer_to_a_call_that_is_older_than_the_failures_does_not() -> None:
    calls = Calls()
    old = [calls.start() for _ in range(3)]
    calls.fail(3)
    assert max(calls.end(call) for call in old) < 0.05
    assert calls.end(calls.start()) > 0.6


def test_a_node_that_is_not_called_is_as_good_as_new_after_minutes() -> None:
    shop, nodes = world(2)
    Pick(nodes[0], shop.now).done(Outcome("UNAVAILABLE"))
    Pick(nodes[0], shop.now).done(Outcome("UNAVAILABLE"))
    assert nodes[0].success < 0.1
    shop.now += 30.0
    shop.balancer.refresh()
    assert 0.4 < nodes[0].success < 0.6
    shop.now += 200.0
    shop.balancer.refresh()
    assert nodes[0].success == 1.0
    assert nodes[0].failure_run is None


@pytest.mark.parametrize("settings", [SETTINGS, SuccessRate(recovery_s=0.1, floor=0.0001)])
def test_nor_do_days_without_any_call_matter_to_a_client_that_knew_a_node_to_be_down(settings: SuccessRate) -> None:
    shop, nodes = world(3, Policy(success_rate=settings))
    for _ in range(5):
        Pick(nodes[0], shop.now).done(Outcome("UNAVAILABLE"))
    assert nodes[0].success < 0.1
    shop.now += 7 * 86_400.0
    assert min(shop.run(10.0, 100.0, STEADY).values()) > 250
    assert nodes[0].success == 1.0


def test_a_thread_that_read_the_clock_before_another_takes_nothing_from_a_node() -> None:
    settings = SuccessRate(recovery_s=0.1)
    (node,) = fleet.nodes(1)
    node.success, node.success_at = settings.floor, 1000.1
    recover(node, 1000.0, settings)
    assert node.success == pytest.approx(settings.floor)
    recover(node, 1000.2, settings)
    assert node.success == pytest.approx(1 - (1 - settings.floor) / e)


def test_the_highest_floor_leaves_everybody_a_full_share() -> None:
    calls = Calls(policy=Policy(success_rate=SuccessRate(floor=1.0)))
    assert calls.fail(10) == 1.0
    assert calls.end(calls.start()) == 1.0


def test_a_policy_that_does_not_ask_for_success_forgets_failures() -> None:
    shop, nodes = world(2)
    for _ in range(3):
        Pick(nodes[0], shop.now).done(Outcome("UNAVAILABLE"))
    shop.balancer.adopt(Policy(success_rate=None))
    assert (nodes[0].success, nodes[0].failure_run) == (1.0, None)
    shop.balancer.adopt(Policy())
    assert nodes[0].success == 1.0


def share(
    name: str, clients: int, rate: float, *, since_s: float, until_s: float, seeds: int, count: int = 12
) -> float:
    """Of all calls between two moments after its first failure, those to a node that fails at once."""
    its = everybodys = 0
    for seed in range(seeds * clients):
        shop, nodes = world(count, Policy(strategy=name), seed)
        each = rate / clients
        shop.run(max(5.0, 20.0 / each), each, STEADY)
        shop.run(since_s, each, broken(nodes[0]))
        counts = shop.run(until_s - since_s, each, broken(nodes[0]))
        its, everybodys = its + counts[nodes[0]], everybodys + counts.total()
    return its / everybodys


@every_strategy
@pytest.mark.parametrize(("clients", "rate"), [(1, 30), (3, 30), (1, 100), (3, 100), (1, 300), (3, 300)])
def test_who_fails_every_call_has_less_than_2_percent_between_2_and_10_s(name: str, clients: int, rate: float) -> None:
    assert share(name, clients, rate, since_s=2, until_s=10, seeds=8) < 0.02


@every_strategy
def test_with_10_calls_per_second_a_client_needs_longer_to_have_seen_two_failures(name: str) -> None:
    # Of 80 calls in 8 s two are more than 2 percent.
    assert share(name, 1, 10, since_s=2, until_s=10, seeds=8) < 0.025
    assert share(name, 1, 10, since_s=10, until_s=30, seeds=8) < 0.02


@every_strategy
def test_so_it_is_with_thousands_of_calls_per_second_and_many_clients(name: str) -> None:
    assert share(name, 30, 3000, since_s=2, until_s=10, seeds=1) < 0.002


@every_strategy
@pytest.mark.parametrize(("clients", "rate"), [(1, 3), (1, 10), (3, 10), (3, 30), (3, 100)])
def test_later_it_has_less_than_1_percent(name: str, clients: int, rate: float) -> None:
    assert share(name, clients, rate, since_s=30, until_s=300, seeds=2) < 0.01


@every_strategy
def test_where_each_client_makes_a_call_per_second_it_has_less_than_2_percent(name: str) -> None:
    assert share(name, 3, 3, since_s=60, until_s=960, seeds=4) < 0.02


@pytest.mark.parametrize(
    ("count", "rate"), [(2, 30.0), (3, 30.0), (12, 1.0), (12, 10.0), (12, 100.0), (12, 300.0), (100, 10.0)]
)
def test_the_time_between_two_calls_to_it_follows_from_the_rate(count: int, rate: float) -> None:
    shop, nodes = world(count)
    shop.run(10.0, rate, STEADY)
    shop.run(120.0, rate, broken(nodes[0]))
    time_s = 3600.0 if rate < 100 else 300.0
    between_s = time_s / shop.run(time_s, rate, broken(nodes[0]))[nodes[0]]
    growth_s = 2 * SETTINGS.recovery_s / log(1 / SETTINGS.floor)
    expected_s = growth_s * log(1 + (count - 1) / (rate * SETTINGS.floor * growth_s))
    assert between_s == pytest.approx(expected_s, rel=0.25)
    assert between_s < 70.0


@every_strategy
@pytest.mark.parametrize(
    ("rate", "outage_s", "back_s"),
    [
        (3.0, 300.0, 75.0),
        (10.0, 10.0, 45.0),
        (10.0, 300.0, 60.0),
        (30.0, 2.0, 25.0),
        (30.0, 10.0, 35.0),
        (30.0, 300.0, 35.0),
        (300.0, 10.0, 15.0),
        (300.0, 30.0, 20.0),
    ],
)
def test_who_mends_is_found_and_has_its_share_again(name: str, rate: float, outage_s: float, back_s: float) -> None:
    for seed in range(3):
        shop, nodes = world(12, Policy(strategy=name), seed)
        shop.run(max(5.0, 20.0 / rate), rate, STEADY)
        shop.run(outage_s, rate, broken(nodes[0]))
        shop.run(back_s, rate, STEADY)
        assert nodes[0].failure_run is None, seed
        assert nodes[0].success > 0.7, seed
        counts = shop.run(max(20.0, 600.0 / rate), rate, STEADY)
        assert counts[nodes[0]] > 0.4 * counts.total() / 12, seed


def test_many_clients_neither_call_it_all_at_once_nor_come_back_all_at_once() -> None:
    failing, mended = [0] * 60, [0] * 60
    for seed in range(100):
        shop, nodes = world(12, seed=seed)
        shop.run(5.0, 10.0, STEADY)
        for second in range(60):
            failing[second] += shop.run(1.0, 10.0, broken(nodes[0]))[nodes[0]]
        for second in range(60):
            mended[second] += shop.run(1.0, 10.0, STEADY)[nodes[0]]
    fair = 100 * 10.0 / 12
    assert max(failing[20:]) < 0.2 * fair
    assert max(mended[:5]) < 0.6 * fair
    assert max(mended) < 1.4 * fair
    assert sum(mended[40:]) > 0.9 * 20 * fair


@every_strategy
def test_the_only_node_is_called_whatever_it_does(name: str) -> None:
    shop, nodes = world(1, Policy(strategy=name))
    counts = shop.run(60.0, 30.0, broken(nodes[0]))
    assert counts[nodes[0]] == counts.total() > 1500


@every_strategy
@pytest.mark.parametrize("count", [2, 3, 12])
def test_where_all_fail_all_are_called_and_all_come_back(name: str, count: int) -> None:
    shop, nodes = world(count, Policy(strategy=name))
    shop.run(10.0, 60.0, STEADY)
    counts = shop.run(60.0, 60.0, lambda node: (0.001, "UNAVAILABLE"))
    assert min(counts[node] for node in nodes) > 0.3 * counts.total() / count
    shop.run(30.0, 60.0, STEADY)
    counts = shop.run(60.0, 60.0, STEADY)
    assert min(counts[node] for node in nodes) > 0.6 * counts.total() / count


def test_the_one_that_works_takes_what_the_others_fail_to_do() -> None:
    shop, nodes = world(3)
    shop.run(5.0, 30.0, STEADY)
    counts = shop.run(60.0, 30.0, lambda node: (0.05, "OK") if node is nodes[2] else (0.001, "UNAVAILABLE"))
    assert counts[nodes[2]] > 0.9 * counts.total()


@pytest.mark.parametrize("name", ["p2c", "least_request", "round_robin", "random"])
@pytest.mark.parametrize("rate", [10.0, 100.0])
def test_who_fails_every_fifth_call_keeps_most_of_its_share(name: str, rate: float) -> None:
    shop, nodes = world(12, Policy(strategy=name))
    calls = 0

    def answer(node: Node) -> tuple[float, str]:
        nonlocal calls
        calls += node is nodes[0]
        fails = node is nodes[0] and (calls * 0.618034) % 1.0 < 0.2
        return (0.001, "UNAVAILABLE") if fails else (0.05, "OK")

    shop.run(60.0, rate, answer)
    counts = shop.run(600.0, rate, answer)
    assert 0.7 < counts[nodes[0]] / (counts.total() / 12) < 1.0


@pytest.mark.parametrize("zone", ["a", ""])
@every_strategy
def test_zones_change_nothing_about_that(name: str, zone: str) -> None:
    endpoints = fleet.endpoints(12)
    groups = tuple(
        LocalityEndpoints(Locality("", name), endpoints[4 * i : 4 * i + 4], 9_998 if name == zone else 1)
        for i, name in enumerate("abc")
    )
    shop = World(Policy(strategy=name))
    nodes = shop.take_over(Assignment("shop", groups, client_zone=zone))
    shop.run(5.0, 30.0, STEADY)
    shop.run(2.0, 30.0, broken(nodes[0]))
    counts = shop.run(8.0, 30.0, broken(nodes[0])) + shop.run(300.0, 30.0, broken(nodes[0]))
    assert 0 < counts[nodes[0]] < 0.01 * counts.total()
    shop.run(60.0, 30.0, STEADY)
    assert nodes[0].success > 0.7


@every_strategy
def test_nor_do_priorities(name: str) -> None:
    shop = World(Policy(strategy=name))
    endpoints = fleet.endpoints(12)
    nodes = shop.take_over(fleet.assignment(endpoints[:6], endpoints[6:]))
    lost = nodes[1], nodes[2], nodes[3]
    shop.balancer.connectivities_changed(dict.fromkeys(lost, Connectivity.TRANSIENT_FAILURE))
    shop.run(5.0, 30.0, STEADY)
    shop.run(2.0, 30.0, broken(nodes[0]))
    counts = shop.run(300.0, 30.0, broken(nodes[0]))
    assert 0 < counts[nodes[0]] < 0.01 * counts.total()
    assert sum(counts[node] for node in nodes[6:]) > 0.2 * counts.total()


def test_who_is_down_is_still_ejected_by_its_failures_in_a_row() -> None:
    shop, nodes = world(12, Policy(outlier_detection=OutlierDetection()))
    shop.run(5.0, 300.0, STEADY)
    shop.run(15.0, 300.0, broken(nodes[0]))
    assert nodes[0].ejections == 1
    assert shop.run(10.0, 300.0, broken(nodes[0]))[nodes[0]] == 0
    shop.run(60.0, 300.0, STEADY)
    assert nodes[0].ejected_until is None
    assert nodes[0].success > 0.7
