"""Whatever happens to a client, in whatever order: what every node's score is made of is reckoned afresh after each step."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

import pytest

from trimtab.balance import Balancer, Changes, Choice, Connectivity, Node, Outcome, Pick, Request
from trimtab.errors import TooManyRequests
from trimtab.model import (
    Assignment,
    Endpoint,
    Health,
    Locality,
    LocalityEndpoints,
    OutlierDetection,
    Policy,
    Shards,
    SuccessRate,
)

STRATEGIES = ("p2c", "least_request", "round_robin", "weighted_round_robin", "random", "consistent_hash")
DIVIDED = Shards()


@dataclass
class Client:
    """A client to which anything happens."""

    seed: int
    now: float = 1000.0
    calls: list[Pick] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.divided = self.rng.random() < 0.3
        self.balancer = Balancer(
            self.any_policy(),
            client_id="test",
            rng=self.rng,
            clock=lambda: self.now,
            wake=lambda: self.follow(self.balancer.refresh()),
        )
        self.follow(self.balancer.update(self.any_assignment()))

    def any_policy(self) -> Policy:
        draw = self.rng.choice
        return Policy(
            draw(STRATEGIES),
            load=draw(["in_flight", "cost", "peak_ewma"]),
            slow_start_s=draw([0.0, 5.0, 30.0]),
            outlier_detection=draw([None, OutlierDetection(base_ejection_time_s=2.0, interval_s=1.0)]),
            success_rate=draw([None, SuccessRate()]),
            max_requests=draw([None, 20]),
            zone=draw(["prefer", "off"]),
            shards=DIVIDED if self.divided else None,
        )

    def any_assignment(self) -> Assignment:
        localities = [
            LocalityEndpoints(
                Locality("", zone), self.any_endpoints(zone, priority), self.rng.randint(1, 3000), priority
            )
            for priority in range(self.rng.choice([1, 1, 2]))
            for zone in "abc"
        ]
        known = tuple(locality for locality in localities if locality.endpoints)
        return Assignment("shop", known, client_zone=self.rng.choice("ab"), clock_offset_s=0.0)

    def any_endpoints(self, zone: str, priority: int) -> tuple[Endpoint, ...]:
        healths = [Health.HEALTHY] * 8 + [Health.DRAINING, Health.UNHEALTHY]
        return tuple(
            Endpoint(
                f"10.{priority}.{'abc'.index(zone)}.{number}",
                8080,
                self.rng.choice(healths),
                weight=self.rng.randint(1, 3),
                labels=(("shard", str(number % 3)),),
            )
            for number in self.rng.sample(range(1, 11), self.rng.randint(0, 8))
        )

    def follow(self, changes: Changes) -> None:
        for node in changes.closed:
            node.retire(lambda _: None)
        ready = [node for node in changes.opened if self.rng.random() < 0.95]
        self.balancer.connectivities_changed(dict.fromkeys(ready, Connectivity.READY))

    def step(self) -> Pick | None:
        """Something happens, and then a call is made."""
        rng, balancer = self.rng, self.balancer
        self.now += rng.choice([0.0, 0.0, 0.001, 0.02, 0.2])
        for _ in range(min(len(self.calls), rng.randint(0, 2))):
            status = rng.choice(["OK", "OK", "OK", "OK", "UNAVAILABLE", "CANCELLED"])
            self.calls.pop(rng.randrange(len(self.calls))).done(Outcome(status))
        what = rng.random()
        if what < 0.02:
            self.follow(balancer.update(self.any_assignment()))
        elif what < 0.04 and balancer.nodes:
            node = rng.choice(list(balancer.nodes))
            balancer.connectivity_changed(node, rng.choice(list(Connectivity)))
        elif what < 0.05:
            self.follow(balancer.adopt(self.any_policy()))
        elif what < 0.1 and self.calls and balancer.policy.load == "cost":
            rng.choice(self.calls).cost = 5 * rng.random()
        numbers = {"hash_key": str(rng.randrange(6)), "shard": str(rng.randrange(3)), "cost": rng.choice([1, 2.5, 10])}
        try:
            pick = balancer.pick(Request("/shop.Shop/Buy", attributes=numbers))
        except TooManyRequests:
            return None
        if pick is not None:
            self.calls.append(pick)
        return pick


def histories() -> Iterator[Client]:
    return (Client(seed) for seed in range(40))


def test_scores_are_what_they_are_made_of_after_every_step() -> None:
    for client in histories():
        for _ in range(300):
            client.step()
            for node in client.balancer.nodes:
                assert node.factor == pytest.approx(1 / (node.endpoint.weight * node.success * node.ramp))
                assert node.score == pytest.approx(
                    inf if node.held else load(node, client.balancer.policy) * node.factor
                )
                assert node.success == 1.0 or client.balancer.policy.success_rate is not None
                assert node.ejected_until is None or client.balancer.policy.outlier_detection is not None


def load(node: Node, policy: Policy) -> float:
    if policy.load == "cost":
        return sum(pick.cost for pick in node.outstanding)
    if policy.load == "peak_ewma":
        return node.load
    return len(node.outstanding)


def test_nobody_is_held_back_without_a_quota_and_no_call_goes_to_who_left() -> None:
    for client in histories():
        for _ in range(300):
            pick = client.step()
            assert pick is None or not pick.node.retired
            nodes = client.balancer.nodes
            assert not [node for node in nodes if node.retired or (node.held and node.quota is None)]


def test_calls_in_flight_are_known_to_the_whole_fleet_while_they_are() -> None:
    for client in histories():
        for _ in range(300):
            client.step()
            for node in client.balancer.nodes:
                assert node.fleet is None or node.outstanding <= node.fleet
                assert all(pick in pick.node.outstanding for pick in node.fleet or ())


@pytest.mark.parametrize("seed", range(20))
def test_what_is_explained_is_what_is_picked(seed: int) -> None:
    """The same seed twice, once traced: every call goes to the same endpoint."""
    plain, traced = Client(seed), Client(seed)
    told: list[Choice] = []
    traced.balancer.tracer = lambda request, choice: told.append(choice)
    for _ in range(300):
        one, other = plain.step(), traced.step()
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one.node.endpoint == other.node.endpoint
            assert told[-1].node is other.node
