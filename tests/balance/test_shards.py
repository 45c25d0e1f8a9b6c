"""A service divided by a Pod label: which requests go where, and what it costs to have thousands of shards."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.balance import fleet
from trimtab.balance import Balancer, Changes, Choice, Connectivity, Node, Outcome, Pick, Request
from trimtab.errors import PolicyError
from trimtab.model import Endpoint, Health, Policy, Shards

DIVIDED = Policy(shards=Shards())


def sharded(*values: str | None, start: int = 0) -> list[Endpoint]:
    """An endpoint for each of these values of the label; None: it has no such label."""
    return [
        endpoint if value is None else replace(endpoint, labels=(("shard", value),))
        for endpoint, value in zip(fleet.endpoints(len(values), start=start), values, strict=True)
    ]


class Client:
    """A balancer whose connections come up at once, whoever asks for them."""

    def __init__(self, policy: Policy = DIVIDED) -> None:
        self.opened: list[Node] = []
        self.closed: list[Node] = []
        self.wakes = 0
        self.balancer = Balancer(policy, client_id="test", rng=random.Random(1), clock=lambda: 0.0, wake=self.refresh)

    def update(self, *levels: Iterable[Endpoint]) -> None:
        self.follow(self.balancer.update(fleet.assignment(*(tuple(level) for level in levels))))

    def refresh(self) -> None:
        self.wakes += 1
        self.follow(self.balancer.refresh())

    def follow(self, changes: Changes) -> None:
        for node in changes.opened:
            self.opened.append(node)
            self.balancer.connectivity_changed(node, Connectivity.READY)
        for node in changes.closed:
            self.closed.append(node)
            node.retire(lambda _: None)

    def pick(self, shard: object = None, **more: object) -> Pick | None:
        attributes = {} if shard is None else {"shard": shard}
        return self.balancer.pick(Request("/shop.Shop/Buy", attributes={**attributes, **more}))

    def reached(self, shard: object = None, times: int = 100) -> "Counter[str | None]":
        """The labels of the endpoints that calls for a shard go to."""
        counts: Counter[str | None] = Counter()
        for _ in range(times):
            pick = self.pick(shard)
            assert pick is not None
            counts[pick.node.endpoint.label("shard")] += 1
            pick.done(Outcome("OK"))
        return counts


def why(client: Client, shard: object) -> str | None:
    return client.balancer.unmatched(Request("/shop.Shop/Buy", attributes={"shard": shard}))


def test_a_request_goes_to_the_endpoints_of_its_shard() -> None:
    client = Client()
    client.update(sharded("6", "7", "7", "8"))
    assert client.reached("7") == {"7": 100}
    assert client.reached(8) == {"8": 100}, "who numbers shards need not write strings"


def test_a_request_that_names_no_shard_may_go_to_any_endpoint() -> None:
    client = Client()
    client.update(sharded("6", "7", "7", None))
    counts = client.reached(times=4000)
    assert counts.keys() == {"6", "7", None}
    assert counts["7"] == pytest.approx(2000, rel=0.1), "endpoints count alike, not shards"


def test_metadata_names_the_shard_before_the_attribute_and_code_before_both() -> None:
    by_metadata = Client(Policy(shards=Shards(metadata="X-Shard")))
    by_metadata.update(sharded("7", "8"))
    request = Request("/shop.Shop/Buy", metadata=(("x-shard", "8"),), attributes={"shard": "7"})
    pick = by_metadata.balancer.pick(request)
    assert pick is not None
    assert pick.node.endpoint.label("shard") == "8"

    in_code = Client(Policy(shards=Shards(key=lambda request: 7 if request.attributes["tenant"] == "acme" else 8)))
    in_code.update(sharded("7", "8"))
    pick = in_code.pick(tenant="acme")
    assert pick is not None
    assert pick.node.endpoint.label("shard") == "7"


def test_a_channel_of_one_shard_connects_to_nothing_else() -> None:
    client = Client(Policy(shards=Shards(value="7")))
    client.update(sharded("6", "7", "7", "8"))
    assert len(client.opened) == 2
    assert client.reached() == {"7": 100}


def test_a_shard_that_no_endpoint_has_fails_and_says_what_there_is() -> None:
    client = Client()
    client.update(sharded("6", "7"))
    assert client.pick("9") is None
    assert why(client, "9") == "no endpoint has the label shard=9; there are shard=6, 7"
    assert why(client, "7") is None
    assert why(client, None) is None
    client.update(sharded(*(str(number) for number in range(10, 35))))
    assert str(why(client, "9")).endswith("15, 16, 17, 18, 19 and 15 more")
    client.update(sharded(None))
    assert why(client, "9") == "no endpoint has the label shard=9; none has a label shard at all"


def test_or_goes_to_any_where_the_policy_says_so() -> None:
    client = Client(Policy(shards=Shards(unmatched="any")))
    client.update(sharded("6", "7"))
    assert client.reached("9").keys() == {"6", "7"}
    assert why(client, "9") is None


def test_endpoints_that_cannot_be_used_make_no_shard() -> None:
    client = Client()
    client.update([replace(endpoint, health=Health.UNHEALTHY) for endpoint in sharded("7")] + sharded("8", start=5))
    assert client.pick("7") is None
    assert "there are shard=8" in str(why(client, "7"))


def test_a_shard_has_priorities_of_its_own() -> None:
    client = Client()
    client.update(sharded("7", "8"), sharded("7", "9", start=10))
    for node in client.balancer.nodes:
        if node.priority == 0 and node.endpoint.label("shard") == "7":
            client.balancer.connectivity_changed(node, Connectivity.TRANSIENT_FAILURE)
    pick = client.pick("7")
    assert pick is not None
    assert pick.node.priority == 1


def test_nodes_keep_what_they_know_while_their_shard_stays() -> None:
    client = Client()
    client.update(sharded("7", "7", "8"))
    pick = client.pick("8")
    client.update(sharded("7", "7", "8", "9"))
    assert pick is not None
    assert pick.node in client.balancer.nodes
    assert pick.node.in_flight == 1
    client.update(sharded("7", "7"))
    assert [node.endpoint.label("shard") for node in client.closed] == ["8", "9"]
    assert client.pick("8") is None


def test_shards_beyond_what_is_connected_ahead_are_connected_when_they_are_asked_for() -> None:
    client = Client(replace(DIVIDED, max_connections=10))
    client.update(sharded(*(str(number // 3) for number in range(3000))))
    assert 8 <= len(client.opened) <= 10, "readiness and requests without a shard need somebody to be there"
    everyone = {node.endpoint.label("shard") for node in client.opened}
    unseen = next(str(number) for number in range(1000) if str(number) not in everyone)
    ahead = len(client.opened)
    assert client.reached(unseen) == {unseen: 100}
    assert len(client.opened) == ahead + 3
    client.update(sharded(*(str(number // 3) for number in range(3000))))
    assert len(client.opened) == ahead + 3, "and stay"


def test_where_the_slow_path_is_elsewhere_the_first_request_waits_for_it() -> None:
    client = Client(replace(DIVIDED, max_connections=1))
    woken: list[None] = []
    client.balancer = Balancer(
        client.balancer.policy,
        client_id="test",
        rng=random.Random(1),
        clock=lambda: 0.0,
        wake=lambda: woken.append(None),
    )
    client.update(sharded("1", "2", "3"))
    missing = next(value for value in "123" if value != client.opened[0].endpoint.label("shard"))
    assert client.pick(missing) is None
    assert woken
    assert why(client, missing) is None, "it is worth waiting"
    client.refresh()
    assert client.reached(missing) == {missing: 100}


def test_a_pick_looks_at_its_shard_alone() -> None:
    """O(1): of three thousand balancers one is touched, and none is made or refreshed."""
    client = Client(replace(DIVIDED, max_connections=6000))
    client.update(sharded(*(str(number // 2) for number in range(6000))))
    assert len(client.opened) == 6000
    client.reached("77")
    wakes, made = client.wakes, len(client.opened)
    client.reached("77", 1000)
    assert (client.wakes, len(client.opened)) == (wakes, made)


def test_the_service_can_be_divided_and_made_whole_again_while_calls_go_on() -> None:
    client = Client(Policy())
    client.update(sharded("7", "8"))
    client.follow(client.balancer.adopt(DIVIDED))
    assert client.reached("7") == {"7": 100}
    client.follow(client.balancer.adopt(replace(DIVIDED, strategy="round_robin")))
    assert len(client.opened) == 4, "another strategy leaves the connections alone"
    assert client.reached("7") == {"7": 100}
    client.follow(client.balancer.adopt(Policy()))
    assert client.reached("7").keys() == {"7", "8"}
    assert len(client.closed) == 4
    assert len(client.balancer.nodes) == 2


def test_a_policy_that_cannot_be_honoured_leaves_the_shards_as_they_are() -> None:
    client = Client()
    client.update(sharded("7", "8"))
    with pytest.raises(PolicyError):
        client.balancer.adopt(replace(DIVIDED, strategy="tomorrows"))
    assert client.reached("7") == {"7": 100}
    assert not client.closed


def test_every_pick_can_be_explained() -> None:
    client = Client()
    traced: list[Choice] = []
    client.update(sharded("7", "7", "8"))
    client.balancer.tracer = lambda request, choice: traced.append(choice)
    client.reached("7", 1)
    client.update(sharded("7", "7", "8", "9"))
    client.reached("9", 1)
    assert [choice.node.endpoint.label("shard") for choice in traced] == ["7", "9"]


@given(
    st.lists(st.lists(st.sampled_from([None, *"abcdef"]), max_size=12), min_size=1, max_size=5),
    st.sampled_from(["p2c", "least_request", "round_robin", "random", "consistent_hash"]),
    st.integers(1, 12),
)
def test_whatever_comes_and_goes_no_request_leaves_its_shard(
    fleets: list[list[str | None]], strategy: str, limit: int
) -> None:
    client = Client(Policy(strategy=strategy, max_connections=limit, shards=Shards()))
    for values in fleets:
        client.update(sharded(*values))
        for shard in "abcdef":
            if shard in values:
                assert client.reached(shard, 5) == {shard: 5}
            else:
                assert client.pick(shard) is None
                assert why(client, shard) is not None
        if values:
            client.reached(times=5)
    opened = {id(node) for node in client.opened}
    assert len(opened) == len(client.opened)
    assert {id(node) for node in client.balancer.nodes} == opened - {id(node) for node in client.closed}
