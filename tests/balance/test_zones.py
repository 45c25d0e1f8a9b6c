"""Zone and endpoint as one decision, as a client makes it."""

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.balance import fleet
from trimtab.balance import Balancer, Choice, Connectivity, Node, Outcome, Pick, Request, explain
from trimtab.balance.zone_shares import CAPACITY, HEALTH, NO_LOCAL, OVERLOAD, PROBE
from trimtab.errors import PolicyError
from trimtab.model import Assignment, Endpoint, Locality, LocalityEndpoints, Policy

REQUEST = Request("/shop.Shop/Buy")
OK = Outcome("OK")
MOSTLY_LOCAL = (9_998, 1, 1)


class Client:
    """A client in zone a, or where it says, and a fleet of some endpoints per zone."""

    def __init__(self, policy: Policy | None = None, zone: str = "a", seed: int = 1) -> None:
        self.now = 1000.0
        self.zone = zone
        self.balancer = Balancer(policy or Policy(), client_id="t", rng=random.Random(seed), clock=lambda: self.now)

    def assign(self, weights: Sequence[int], counts: Sequence[int] = (3, 3, 3), priority: int = 0) -> Sequence[Node]:
        groups = [
            LocalityEndpoints(Locality("", name), endpoints(name, count), weight, priority)
            for name, weight, count in zip("abc", weights, counts, strict=True)
            if count
        ]
        changes = self.balancer.update(Assignment("shop", tuple(groups), client_zone=self.zone))
        for node in changes.opened:
            self.balancer.connectivity_changed(node, Connectivity.READY)
        for node in changes.closed:
            node.retire(lambda _: None)
        return tuple(self.balancer.nodes)

    def pick(self, request: Request = REQUEST) -> Pick:
        pick = self.balancer.pick(request)
        assert pick is not None
        return pick

    def call(self, times: int, status: str = "OK", took_s: float = 0.01) -> "Counter[str]":
        """Calls one after the other; how many went to which zone."""
        zones: Counter[str] = Counter()
        for _ in range(times):
            pick = self.pick()
            self.now += took_s
            pick.done(Outcome(status))
            zones[zone_of(pick.node)] += 1
        return zones


def endpoints(zone: str, count: int) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(f"10.{'abc'.index(zone)}.0.{i + 1}", 8080, hostname=zone) for i in range(count))


def zone_of(node: Node) -> str:
    return node.endpoint.hostname


def test_calls_stay_at_home_and_every_crossing_is_counted_with_its_reason() -> None:
    client = Client()
    client.assign(MOSTLY_LOCAL)
    zones = client.call(4_000)
    assert zones["a"] / zones.total() > 0.985
    counted = Counter(client.balancer.crossings)
    assert counted.total() == zones["b"] + zones["c"]
    assert counted[PROBE] > 0
    assert not counted[NO_LOCAL] + counted[HEALTH]


def test_the_weights_say_what_leaves_for_capacity() -> None:
    client = Client()
    client.assign((5_000, 2_500, 2_500))
    zones = client.call(4_000)
    assert zones["a"] / 4_000 == pytest.approx(0.5, abs=0.03)
    assert client.balancer.crossings[CAPACITY] == zones["b"] + zones["c"]


def test_without_a_census_zones_are_no_matter_and_crossings_are_counted() -> None:
    client = Client()
    client.assign((3, 3, 3))
    zones = client.call(3_000)
    assert zones["a"] / 3_000 == pytest.approx(1 / 3, abs=0.04)
    assert client.balancer.crossings[CAPACITY] == zones["b"] + zones["c"]


def test_without_endpoints_at_home_calls_leave_for_that() -> None:
    client = Client()
    client.assign((0, 5_000, 5_000), (0, 3, 3))
    client.call(200)
    assert client.balancer.crossings[NO_LOCAL] == 200


def test_a_fallback_in_another_zone_is_used_for_the_health_of_the_first_priority() -> None:
    client = Client()
    local = LocalityEndpoints(Locality("", "a"), endpoints("a", 2))
    other = LocalityEndpoints(Locality("", "b"), endpoints("b", 2), priority=1)
    for node in client.balancer.update(Assignment("shop", (local, other), client_zone="a")).opened:
        broken = node.priority == 0
        client.balancer.connectivity_changed(node, Connectivity.TRANSIENT_FAILURE if broken else Connectivity.READY)
    assert client.call(50) == {"b": 50}
    assert client.balancer.crossings[HEALTH] == 50


def test_lost_connections_send_a_part_away_and_bring_it_back() -> None:
    client = Client()
    nodes = client.assign(MOSTLY_LOCAL, (4, 4, 4))
    lost = [node for node in nodes if zone_of(node) == "a"][:2]
    for node in lost:
        client.balancer.connectivity_changed(node, Connectivity.TRANSIENT_FAILURE)
    assert client.call(3_000)["a"] / 3_000 == pytest.approx(0.7, abs=0.03)
    assert client.balancer.crossings[HEALTH] > 800
    for node in lost:
        client.balancer.connectivity_changed(node, Connectivity.READY)
    assert client.call(1_000)["a"] > 980


def test_failing_endpoints_send_a_part_away() -> None:
    client = Client()
    client.assign(MOSTLY_LOCAL)
    for _ in range(60):
        pick = client.pick()
        client.now += 0.05
        pick.done(Outcome("UNAVAILABLE" if zone_of(pick.node) == "a" else "OK"))
    before = client.balancer.crossings[HEALTH]
    zones = client.call(50)
    assert zones["a"] < 25
    assert client.balancer.crossings[HEALTH] - before > 10


def test_calls_that_take_long_at_home_leave_by_and_by_and_come_back() -> None:
    client = Client()
    client.assign((9_900, 50, 50), (1, 1, 1))

    def local_share(home_s: float, seconds: float = 20.0) -> float:
        """Two calls every 10 ms, as a pod would answer that takes `home_s` for each."""
        under_way: list[tuple[float, Pick]] = []
        zones: Counter[str] = Counter()
        end = client.now + seconds
        while client.now < end:
            client.now += 0.01
            for due, pick in [item for item in under_way if item[0] <= client.now]:
                pick.done(OK)
                under_way.remove((due, pick))
            for _ in range(2):
                pick = client.pick()
                zones[zone_of(pick.node)] += 1
                under_way.append((client.now + (home_s if zone_of(pick.node) == "a" else 0.02), pick))
        for _, pick in under_way:
            pick.done(OK)
        return zones["a"] / zones.total()

    assert local_share(0.02) > 0.97
    assert local_share(0.1) < 0.7
    assert local_share(0.1) < 0.2
    assert client.balancer.crossings[OVERLOAD] > 1_000
    local_share(0.02)
    assert local_share(0.02) > 0.97


def test_a_pause_of_the_process_moves_nothing() -> None:
    client = Client()
    client.assign(MOSTLY_LOCAL)
    client.call(1_000)
    # All calls under way take half a second, fifty times as long as usual, and nearly all of them are at home.
    stuck = [client.pick() for _ in range(10)]
    client.now += 0.5
    for pick in stuck:
        pick.done(OK)
    assert client.call(1_000)["a"] > 970


def test_a_crowded_zone_sends_new_nodes_no_more_than_their_quota() -> None:
    client = Client(Policy(slow_start_s=3600.0))
    client.assign((9_900, 50, 50), (1, 1, 1))
    client.call(50)
    nodes = client.assign((9_900, 50, 50), (1, 4, 4))
    new = [node for node in nodes if node.quota is not None]
    assert len(new) == 6
    for _ in range(40):
        client.pick()
    # Each at most one before its first answer, however much better they look than what is crowded.
    assert sum(node.in_flight for node in new) <= len(new)


def test_what_is_explained_is_where_calls_go() -> None:
    client = Client()
    local = LocalityEndpoints(Locality("", "a"), endpoints("a", 2), 7_500)
    near = LocalityEndpoints(Locality("", "b"), endpoints("b", 2), 2_500)
    far = LocalityEndpoints(Locality("", "c"), endpoints("c", 2), priority=1)
    nodes = client.balancer.update(Assignment("shop", (local, near, far), client_zone="a")).opened
    for node in nodes:
        client.balancer.connectivity_changed(node, Connectivity.READY)
    broken = [node for node in nodes if node.priority == 0][1::2]
    for node in broken:
        client.balancer.connectivity_changed(node, Connectivity.TRANSIENT_FAILURE)
    states = {state.hostname: state for state in explain(client.balancer.belongings, client.now)}
    found = {zone: (state.priority_share, round(state.zone_share, 3)) for zone, state in states.items()}
    # Half of a priority is 70 % of its calls; half of each of its zones is 70 % as well, the rest goes by capacity.
    assert found == {"a": (0.7, 0.6), "b": (0.7, 0.4), "c": (0.3, 1.0)}
    counts = client.call(4_000)
    for zone, (priority_share, zone_share) in found.items():
        assert counts[zone] / 4_000 == pytest.approx(priority_share * zone_share, abs=0.04)


def test_off_knows_no_zones() -> None:
    client = Client(Policy(zone="off"))
    nodes = client.assign(MOSTLY_LOCAL)
    assert client.call(3_000)["a"] / 3_000 == pytest.approx(1 / 3, abs=0.04)
    assert all(node.zone is None for node in nodes)
    assert not any(client.balancer.crossings.values())


def test_one_zone_costs_nothing() -> None:
    client = Client()
    nodes = client.assign((1, 1, 1), (5, 0, 0))
    assert all(node.zone is None for node in nodes)


def test_require_never_leaves_the_zone() -> None:
    client = Client(Policy(zone="require"))
    nodes = client.assign(MOSTLY_LOCAL)
    assert {zone_of(node) for node in nodes} == {"a"}
    for node in nodes:
        client.balancer.connectivity_changed(node, Connectivity.TRANSIENT_FAILURE)
    assert zone_of(client.pick().node) == "a"


@pytest.mark.parametrize(
    ("zone", "counts", "why"),
    [
        ("", (3, 3, 3), "nobody knows the zone of this client"),
        ("a", (0, 3, 3), "none of the 6 endpoints is in zone a"),
    ],
)
def test_require_says_why_nobody_may_be_called(zone: str, counts: tuple[int, int, int], why: str) -> None:
    client = Client(Policy(zone="require"), zone)
    client.assign(MOSTLY_LOCAL, counts)
    assert client.balancer.pick(REQUEST) is None
    assert not client.balancer.waiting
    assert why in client.balancer.why_nobody


def test_a_policy_is_taken_up_while_calls_go_on() -> None:
    client = Client(Policy(zone="off"))
    client.assign(MOSTLY_LOCAL)
    assert client.call(300)["a"] < 200
    for node in client.balancer.adopt(Policy()).opened:
        client.balancer.connectivity_changed(node, Connectivity.READY)
    assert client.call(300)["a"] > 280
    client.balancer.adopt(Policy(zone="off"))
    assert client.call(300)["a"] < 200


def test_a_key_keeps_its_home_whatever_the_zone() -> None:
    client = Client(Policy("consistent_hash"))
    client.assign(MOSTLY_LOCAL)
    homes = Counter()  # type: Counter[str]
    for key in range(300):
        pick = client.pick(Request("/s/m", attributes={"hash_key": key}))
        homes[zone_of(pick.node)] += 1
        pick.done(OK)
    assert homes["a"] < 200


def test_a_trace_tells_the_zone_and_the_reason() -> None:
    client = Client()
    client.assign((5_000, 2_500, 2_500))
    told: list[Choice] = []
    client.balancer.tracer = lambda request, choice: told.append(choice)
    client.call(200)
    for choice in told:
        zone = zone_of(choice.node)
        assert choice.why.startswith(f"zone {zone}")
        assert choice.why.endswith("(capacity)") is (zone != "a")
        assert choice.node in [candidate.node for candidate in choice.candidates] or not choice.candidates


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"zone": "prefered"}, "policy.zone: there is no 'prefered'; did you mean prefer?"),
        ({"zone_penalty": -1}, "policy.zone_penalty: expected a number between 0 and 1000, got -1"),
    ],
)
def test_wrong_settings_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(PolicyError, match=message.replace("?", r"\?").replace(".", r"\.")):
        Policy.from_mapping(fields)


def test_fleets_without_zones_are_as_before() -> None:
    balancer = fleet.balancer()
    nodes = fleet.update(balancer, fleet.endpoints(4)).opened
    assert all(node.zone is None for node in nodes)


def test_zones_are_compared_by_latency_also_when_nothing_is_in_flight() -> None:
    client = Client(Policy(load="peak_ewma"))
    nodes = client.assign((5_000, 2_500, 2_500))
    client.call(200)
    client.now += 1.0
    assert not any(node.in_flight for node in nodes)
    client.balancer.refresh()
    # 10 ms everywhere: what an idle node is estimated to take is that, give or take what single calls say.
    for node in nodes:
        assert node.zone is not None
        assert node.score * node.zone.gain + node.zone.base == pytest.approx(0.01, rel=0.3)
