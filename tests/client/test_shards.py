"""Calls name the shard they are for, in both worlds; those for a shard that is not there fail and say so."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import grpc
import pytest

import trimtab
from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually
from tests.client.service import ARITIES, NAME, TARGET
from tests.client.worlds import World
from trimtab.model import Policy, Shards

Backends = Callable[[int], list[Backend]]
DIVIDED = Policy(shards=Shards(metadata="x-shard"))


def assign(ads: AdsServer, backends: Sequence[Backend], *shards: str) -> None:
    labelled = zip(backends, shards, strict=True)
    ads.assign(NAME, *(replace(backend.endpoint, labels=(("shard", shard),)) for backend, shard in labelled))


@pytest.mark.parametrize("arity", ARITIES)
def test_a_call_goes_to_its_shard(world: World, ads: AdsServer, backends: Backends, arity: str) -> None:
    seven, eight = backends(2)
    assign(ads, [seven, eight], "7", "8")
    ads.balance(NAME, DIVIDED)
    channel = world.open(ads)
    for _ in range(5):
        world.call(channel, arity, b"a", metadata=(("x-shard", "8"),))
    assert (seven.calls, eight.calls) == (0, 5)
    assert {state.shard for state in channel.explain()} == {"7", "8"}


def test_an_attribute_names_it_too(ads: AdsServer, backends: Backends) -> None:
    seven, eight = backends(2)
    assign(ads, [seven, eight], "7", "8")
    with trimtab.channel(TARGET, control_plane=ads.address, policy=DIVIDED) as channel, trimtab.attributes(shard=7):
        channel.unary_unary("/shop.Shop/Echo")(b"a")
    assert (seven.calls, eight.calls) == (1, 0)


@pytest.mark.parametrize("arity", ARITIES)
def test_a_shard_that_is_not_there_fails_at_once_and_names_those_that_are(
    world: World, ads: AdsServer, backends: Backends, arity: str
) -> None:
    assign(ads, backends(2), "7", "8")
    channel = world.open(ads, policy=DIVIDED)
    with pytest.raises(grpc.RpcError) as caught:
        world.call(channel, arity, b"a", metadata=(("x-shard", "9"),))
    error: grpc.Call = caught.value  # type: ignore[assignment]
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert f"{NAME}: no endpoint has the label shard=9; there are shard=7, 8; check" in str(error.details())
    assert isinstance(caught.value.__cause__, trimtab.NoEndpoints)


def test_who_waits_for_ready_gets_the_shard_when_it_appears(world: World, ads: AdsServer, backends: Backends) -> None:
    seven, eight = backends(2)
    assign(ads, [seven], "7")
    channel = world.open(ads, policy=DIVIDED)
    call = world.begin(channel, "unary_unary", b"a", metadata=(("x-shard", "8"),), wait_for_ready=True)
    assign(ads, [seven, eight], "7", "8")
    assert call.responses() == [b"a"]
    assert eight.calls == 1


def test_a_shard_is_connected_to_when_a_call_first_asks_for_it(
    world: World, ads: AdsServer, backends: Backends
) -> None:
    some = backends(3)
    assign(ads, some, "1", "2", "3")
    channel = world.open(ads, policy=replace(DIVIDED, max_connections=1))
    world.wait_ready(channel)
    eventually(lambda: len(channel.explain()) == 1)
    for shard in "123":
        assert world.call(channel, "unary_unary", b"a", metadata=(("x-shard", shard),)) == [b"a"]
    assert [backend.calls for backend in some] == [1, 1, 1]
    assert len(channel.explain()) == 3


def test_a_name_whose_shard_nobody_has_says_which_label_is_missing(world: World, ads: AdsServer) -> None:
    ads.assign(f"{NAME}/shard=7")
    with pytest.raises(grpc.RpcError) as caught:
        world.call(world.open(ads, f"{TARGET}/shard=7"), "unary_unary", b"a")
    assert "check that ready Pods have the label shard=7: `trimtab endpoints shop.prod:8080` shows" in str(caught.value)
