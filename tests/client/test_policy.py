"""Channels balance as the control plane says, unless their owner says otherwise."""

import logging
import random
import socket
from collections import Counter
from collections.abc import Callable

import pytest

import trimtab
from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually
from tests.client.service import ECHO, assign
from tests.client.worlds import AnyChannel, World
from trimtab.balance import Choice, Connectivity, Request
from trimtab.model import Endpoint, Policy
from trimtab.xds.cluster import encode_cluster
from trimtab.xds.dialect import Dialect

NAME = "shop.prod:8080"
Backends = Callable[[int], list[Backend]]


def opened(ads: AdsServer, policy: Policy | None = None) -> trimtab.client.channel.SyncChannel:
    return trimtab.channel(NAME, control_plane=ads.address, policy=policy)


def test_the_served_policy_is_taken_up_and_changes_while_calls_go_on(ads: AdsServer, backends: Backends) -> None:
    assign(ads, backends(3))
    ads.balance(NAME, Policy("round_robin"))
    with opened(ads) as channel:
        eventually(lambda: channel.cluster.policy.strategy == "round_robin")
        call = channel.unary_unary(ECHO)
        assert call(b"hello") == b"hello"
        ads.balance(NAME, Policy("least_request", max_connections=2))
        eventually(lambda: channel.cluster.policy.strategy == "least_request")
        eventually(lambda: len(channel.cluster.nodes) == 2)
        assert call(b"hello") == b"hello"


def test_a_policy_given_in_code_stays(ads: AdsServer, backends: Backends) -> None:
    assign(ads, backends(1))
    ads.balance(NAME, Policy("round_robin"))
    with opened(ads, Policy("random")) as channel:
        assert channel.unary_unary(ECHO)(b"hello", wait_for_ready=True) == b"hello"
        assert channel.cluster.policy.strategy == "random"


@pytest.mark.parametrize("wrong", ["strategy", "field"])
def test_a_policy_that_cannot_be_honoured_leaves_the_last_good_one(
    ads: AdsServer, backends: Backends, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    assign(ads, backends(1))
    ads.balance(NAME, Policy("round_robin"))
    with opened(ads) as channel:
        eventually(lambda: channel.cluster.policy.strategy == "round_robin")
        with caplog.at_level(logging.WARNING):
            body = encode_cluster(Policy("tomorrows"), Dialect.GRPC, http2=True)
            ads.send_cluster(NAME, body if wrong == "strategy" else body.replace(b"strategy", b"stratexx"))
            eventually(lambda: "cannot be honoured, the last one stays" in caplog.text)
        assert channel.cluster.policy.strategy == "round_robin"
        assert channel.unary_unary(ECHO)(b"hello", wait_for_ready=True) == b"hello"


def test_a_strategy_of_the_users_own_chooses_by_attribute(ads: AdsServer, backends: Backends) -> None:
    class Pinned:
        def __init__(self, policy: Policy, rng: random.Random) -> None:
            pass

        def picker(self, nodes):  # type: ignore[no-untyped-def]
            ordered = sorted(nodes, key=lambda node: node.endpoint.port)

            class Picker:
                def pick(self, request: Request):  # type: ignore[no-untyped-def]
                    return ordered[int(str(request.attributes.get("shard", 0)))]

            return Picker()

    made = sorted(backends(3), key=lambda backend: backend.port)
    assign(ads, made)
    with opened(ads, Policy(strategy=Pinned)) as channel:
        call = channel.unary_unary(ECHO)
        call(b"hello", wait_for_ready=True)
        eventually(lambda: sum(state.connectivity == "ready" for state in channel.explain()) == 3)
        before = made[2].calls
        with trimtab.attributes(shard=2):
            for _ in range(5):
                call(b"hello")
        assert made[2].calls - before == 5


def test_every_pick_can_be_traced_and_every_endpoint_explained(ads: AdsServer, backends: Backends) -> None:
    assign(ads, backends(3))
    traced: list[tuple[Request, Choice]] = []
    with opened(ads) as channel:
        call = channel.unary_unary(ECHO)
        call(b"hello", wait_for_ready=True)
        eventually(lambda: sum(state.connectivity == "ready" for state in channel.explain()) == 3)
        channel.trace(lambda request, choice: traced.append((request, choice)))
        for _ in range(10):
            call(b"hello")
        channel.trace(None)
        call(b"hello")
        states = channel.explain()
    assert len(traced) == 10
    assert {request.method for request, _ in traced} == {ECHO}
    assert all(len(choice.candidates) == 2 and choice.why for _, choice in traced)
    assert all(choice.node in {c.node for c in choice.candidates} for _, choice in traced)
    assert Counter(state.success for state in states) == {1.0: 3}


def test_connecting_takes_as_long_as_the_served_policy_allows(world: World, ads: AdsServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, AdsServer() as other:
        # It takes connections and never says a word of HTTP/2.
        for server in (ads, other):
            server.assign(NAME, Endpoint("127.0.0.1", mute.getsockname()[1]))
        ads.balance(NAME, Policy(connect_timeout_s=0.1))
        other.balance(NAME, Policy(connect_timeout_s=4.0))
        patient = world.open(other)
        eventually(lambda: patient.cluster.connections)
        impatient = world.open(ads)
        eventually(lambda: states(impatient) == {Connectivity.TRANSIENT_FAILURE})
        # Gone first, though it came last. Without a policy it would have had 5 s.
        assert states(patient) != {Connectivity.TRANSIENT_FAILURE}
        world.close(patient)


def states(channel: AnyChannel) -> set[Connectivity]:
    return {node.connectivity for node in channel.cluster.nodes}
