"""Which endpoints calls go to, and what becomes of their connections, in both worlds."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

import grpc
import pytest

import trimtab
from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually
from tests.client.service import NAME, assign, in_flight
from tests.client.worlds import AnyChannel, World
from trimtab.balance import Connectivity, Node
from trimtab.client import connections
from trimtab.model import Endpoint, Health

Backends = Callable[[int], list[Backend]]


def who(world: World, channel: AnyChannel, calls: int) -> Counter[int]:
    """How many of `calls` each port has answered."""
    return Counter(int(world.call(channel, "unary_unary", b"who")[0]) for _ in range(calls))


def ready(channel: AnyChannel) -> set[int]:
    """The ports that are connected."""
    return {n.endpoint.port for n in channel.cluster.nodes if n.connectivity is Connectivity.READY}


def ports(backends: Iterable[Backend]) -> set[int]:
    return {backend.port for backend in backends}


def node_of(channel: AnyChannel, backend: Backend) -> Node:
    (found,) = (node for node in channel.cluster.nodes if node.endpoint.port == backend.port)
    return found


def held(world: World, channel: AnyChannel, backend: Backend) -> list[object]:
    """Calls of which at least one is being served by `backend`, and will be until it is released."""
    calls: list[object] = []
    while node_of(channel, backend).in_flight == 0:
        calls.append(world.begin(channel, "unary_unary", b"slow"))
    return calls


def test_every_endpoint_is_connected_ahead_of_need(world: World, ads: AdsServer, backends: Backends) -> None:
    made = backends(3)
    assign(ads, made)
    channel = world.open(ads)
    eventually(lambda: ready(channel) == ports(made))
    assert sum(backend.calls for backend in made) == 0


def test_an_endpoint_has_one_connection(world: World, ads: AdsServer, backends: Backends) -> None:
    made = backends(2)
    assign(ads, made)
    channel = world.open(ads)
    eventually(lambda: len(ready(channel)) == 2)
    calls = [world.begin(channel, arity, b"a") for arity in ("unary_unary", "stream_stream") for _ in range(10)]
    for call in calls:
        call.responses()
    assert [len(backend.peers) for backend in made] == [1, 1]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first connection waits for the others for as long as a busy machine needs to open them."""
    monkeypatch.setattr(connections, "GRACE_S", 60.0)


@pytest.mark.usefixtures("patient")
def test_a_first_burst_is_spread(world: World, ads: AdsServer, backends: Backends) -> None:
    channel = world.open(ads)
    made = backends(4)
    calls = [world.begin(channel, "unary_unary", b"slow") for _ in range(40)]
    assign(ads, made)
    eventually(lambda: in_flight(channel) == 40)
    assert max(node.in_flight for node in channel.cluster.nodes) < 20
    for backend in made:
        backend.release.set()
    for call in calls:
        call.responses()


@pytest.mark.usefixtures("patient")
def test_a_burst_after_there_was_nobody_is_spread_too(world: World, ads: AdsServer, backends: Backends) -> None:
    ads.assign(NAME)
    channel = world.open(ads)
    eventually(lambda: channel.cluster.assigned)
    calls = [world.begin(channel, "unary_unary", b"slow", wait_for_ready=True) for _ in range(40)]
    made = backends(4)
    assign(ads, made)
    eventually(lambda: in_flight(channel) == 40)
    assert max(node.in_flight for node in channel.cluster.nodes) < 20
    for backend in made:
        backend.release.set()
    for call in calls:
        call.responses()


def test_two_choices_avoid_whoever_is_busy(world: World, ads: AdsServer, backends: Backends) -> None:
    busy, free = backends(2)
    assign(ads, [busy, free])
    channel = world.open(ads)
    eventually(lambda: len(ready(channel)) == 2)
    calls = held(world, channel, busy)
    free.release.set()
    eventually(lambda: node_of(channel, free).in_flight == 0)
    assert who(world, channel, 20) == {free.port: 20}
    busy.release.set()
    assert calls


def test_round_robin(world: World, ads: AdsServer, backends: Backends) -> None:
    made = backends(3)
    assign(ads, made)
    channel = world.open(ads, policy=trimtab.Policy(strategy="round_robin"))
    eventually(lambda: ready(channel) == ports(made))
    assert set(who(world, channel, 30).values()) == {10}


def test_random(world: World, ads: AdsServer, backends: Backends) -> None:
    made = backends(2)
    assign(ads, made)
    channel = world.open(ads, policy=trimtab.Policy(strategy="random"))
    eventually(lambda: ready(channel) == ports(made))
    # Not to have seen both of them after this many is as likely as to win the lottery many times over.
    assert set(who(world, channel, 100)) == ports(made)


def test_a_policy_nobody_knows(world: World, ads: AdsServer) -> None:
    with pytest.raises(trimtab.PolicyError, match="there is no strategy 'best'"):
        world.open(ads, policy=trimtab.Policy(strategy="best"))


def test_new_endpoints_get_calls_and_the_others_keep_their_state(
    world: World, ads: AdsServer, backends: Backends
) -> None:
    old, new = backends(2)
    assign(ads, [old])
    channel = world.open(ads)
    world.wait_ready(channel)
    call = world.begin(channel, "unary_unary", b"slow")
    before = node_of(channel, old)
    eventually(lambda: before.in_flight == 1)
    assign(ads, [old, new])
    eventually(lambda: ready(channel) == ports([old, new]))
    assert node_of(channel, old) is before
    assert before.in_flight == 1
    assert new.port in who(world, channel, 30)
    old.release.set()
    assert call.responses() == [b"slow"]
    assert len(old.peers) == 1


def test_an_endpoint_that_left_finishes_its_calls_and_is_let_go(
    world: World, ads: AdsServer, backends: Backends
) -> None:
    leaving, staying = backends(2)
    assign(ads, [leaving])
    channel = world.open(ads)
    world.wait_ready(channel)
    call = world.begin(channel, "unary_unary", b"slow")
    eventually(lambda: in_flight(channel) == 1)
    assign(ads, [staying])
    eventually(lambda: ready(channel) == {staying.port})
    assert len(channel.cluster.connections) == 2
    assert who(world, channel, 5) == {staying.port: 5}
    leaving.release.set()
    assert call.responses() == [b"slow"]
    eventually(lambda: len(channel.cluster.connections) == 1)


def test_an_endpoint_that_left_without_calls_is_let_go_at_once(
    world: World, ads: AdsServer, backends: Backends
) -> None:
    leaving, staying = backends(2)
    assign(ads, [leaving, staying])
    channel = world.open(ads)
    eventually(lambda: len(ready(channel)) == 2)
    assign(ads, [staying])
    eventually(lambda: len(channel.cluster.connections) == 1)


def test_an_endpoint_that_cannot_be_reached_is_not_picked(world: World, ads: AdsServer, backends: Backends) -> None:
    alive, dead = backends(2)
    assign(ads, [alive, dead])
    dead.close()
    channel = world.open(ads)
    world.wait_ready(channel)
    assert who(world, channel, 20) == {alive.port: 20}


def test_an_endpoint_that_comes_back_is_picked_again(world: World, ads: AdsServer, backends: Backends) -> None:
    (stable,) = backends(1)
    with Backend() as restarting:
        assign(ads, [stable, restarting])
        channel = world.open(ads, policy=trimtab.Policy(strategy="round_robin"))
        eventually(lambda: len(ready(channel)) == 2)
        before = node_of(channel, restarting)
        restarting.close()
        eventually(lambda: ready(channel) == {stable.port})
        assert who(world, channel, 10) == {stable.port: 10}
        with Backend(restarting.port) as restarted:
            eventually(lambda: len(ready(channel)) == 2)
            assert who(world, channel, 10) == {stable.port: 5, restarted.port: 5}
            assert node_of(channel, restarted) is before


def test_when_nobody_can_be_reached_the_caller_learns_grpcs_own_error(
    world: World, ads: AdsServer, backends: Backends
) -> None:
    (dead,) = backends(1)
    dead.close()
    assign(ads, [dead])
    with pytest.raises(grpc.RpcError) as caught:
        world.call(world.open(ads), "unary_unary", b"a", timeout=60)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert f"127.0.0.1:{dead.port}" in str(caught.value.details())


def test_draining_endpoints_are_the_last_resort(world: World, ads: AdsServer, backends: Backends) -> None:
    healthy, draining = backends(2)
    ends = Endpoint("127.0.0.1", draining.port, health=Health.DRAINING)
    ads.assign(NAME, healthy.endpoint, ends)
    channel = world.open(ads)
    eventually(lambda: len(ready(channel)) == 2)
    assert who(world, channel, 10) == {healthy.port: 10}
    before = node_of(channel, draining)
    ads.assign(NAME, ends)
    eventually(lambda: len(channel.cluster.nodes) == 1)
    assert who(world, channel, 10) == {draining.port: 10}
    assert node_of(channel, draining) is before


def test_a_large_service_is_connected_to_in_part_and_always_the_same_part(
    world: World, ads: AdsServer, backends: Backends
) -> None:
    made = backends(6)
    assign(ads, made)
    policy = trimtab.Policy(max_connections=2)
    servers = [{"server_uri": ads.address, "channel_creds": [{"type": "insecure"}]}]

    def connected(node: str) -> set[int]:
        bootstrap = {"xds_servers": servers, "node": {"id": node}}
        channel = world.open(None, bootstrap=bootstrap, policy=policy)
        eventually(lambda: len(ready(channel)) == 2)
        assert len(channel.cluster.connections) == 2
        assert set(who(world, channel, 20)) <= ready(channel)
        return ready(channel)

    subsets = [connected(f"client-{index % 8}") for index in range(16)]
    assert subsets[:8] == subsets[8:]
    assert len(set(map(frozenset, subsets))) > 1


@pytest.mark.parametrize("health", [Health.DRAINING, Health.HEALTHY])
def test_what_is_kept_and_refuses_connections_gets_no_call(
    world: World, ads: AdsServer, backends: Backends, health: Health
) -> None:
    """The control plane may hold on to endpoints that seem to have vanished (docs/adr/0023); some have, some have not."""
    gone, there, also_there = backends(3)
    gone.close()
    ads.assign(NAME, *(replace(backend.endpoint, health=health) for backend in (gone, there, also_there)))
    channel = world.open(ads)
    assert who(world, channel, 60).keys() <= {there.port, also_there.port}
    # It goes away while it is in use: nobody waits for anything to be told.
    eventually(lambda: ready(channel) == ports([there, also_there]))
    there.close()
    eventually(lambda: ready(channel) == ports([also_there]))
    assert who(world, channel, 30).keys() == {also_there.port}
