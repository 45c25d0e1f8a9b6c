"""What gRPC offers for a call, a Trimtab channel offers too, in both worlds and for all four arities."""

from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually
from tests.client.service import ARITIES, NAME, assign
from tests.client.tap import Tap
from tests.client.worlds import AioWorld, AnyChannel, World, method
from trimtab.model import Endpoint

Backends = Callable[[int], list[Backend]]

every_arity = pytest.mark.parametrize("arity", ARITIES)
RESPONSES = {
    "unary_unary": [b"a"],
    "unary_stream": [b"0", b"1", b"2"],
    "stream_unary": [b"a+b"],
    "stream_stream": [b"a", b"b"],
}


@pytest.fixture
def backend(ads: AdsServer, backends: Backends) -> Backend:
    (made,) = backends(1)
    assign(ads, [made])
    return made


@pytest.fixture
def channel(world: World, ads: AdsServer, backend: Backend) -> AnyChannel:
    made = world.open(ads)
    world.wait_ready(made)
    return made


def test_it_is_grpcs_own_kind_of_channel(world: World, channel: AnyChannel) -> None:
    assert isinstance(channel, grpc.aio.Channel if isinstance(world, AioWorld) else grpc.Channel)


@every_arity
def test_its_callables_are_grpcs_own_kind(world: World, channel: AnyChannel, arity: str) -> None:
    kind = "".join(map(str.title, arity.split("_"))) + "MultiCallable"
    assert isinstance(method(channel, arity), getattr(grpc.aio if isinstance(world, AioWorld) else grpc, kind))


@every_arity
def test_requests_and_responses(world: World, channel: AnyChannel, arity: str) -> None:
    assert world.call(channel, arity, b"a", b"b") == RESPONSES[arity]


@every_arity
def test_started_and_asked_later(world: World, channel: AnyChannel, arity: str) -> None:
    done: list[object] = []
    call = world.begin(channel, arity, b"a", b"b")
    call.when_done(done.append)
    assert call.responses() == RESPONSES[arity]
    assert call.ask("code") is grpc.StatusCode.OK
    assert call.ask("details") == ""
    assert call.now("done")
    assert not call.now("cancelled")
    assert not call.now("cancel")
    eventually(lambda: len(done) == 1)


@every_arity
def test_what_is_true_of_a_call_that_waits_for_its_first_endpoint(
    world: World, ads: AdsServer, backends: Backends, arity: str
) -> None:
    done: list[object] = []
    call = world.begin(world.open(ads), arity, b"a", b"b", timeout=60)
    call.when_done(done.append)
    assert not call.now("done")
    assert not call.now("cancelled")
    assert 10 < call.now("time_remaining") <= 60
    assign(ads, backends(1))
    assert call.responses() == RESPONSES[arity]
    assert call.ask("code") is grpc.StatusCode.OK
    assert ("greeting", "hello") in tuple(call.ask("initial_metadata"))
    eventually(lambda: len(done) == 1)


@every_arity
def test_metadata_goes_both_ways(world: World, channel: AnyChannel, backend: Backend, arity: str) -> None:
    call = world.begin(channel, arity, b"a", metadata=(("tenant", "blue"), ("token-bin", b"\x00\xff")))
    call.responses()
    assert {("tenant", "blue"), ("token-bin", b"\x00\xff")} <= set(backend.metadata[-1])
    assert ("greeting", "hello") in tuple(call.ask("initial_metadata"))
    assert ("served-by", str(backend.port)) in tuple(call.ask("trailing_metadata"))


@every_arity
def test_the_servers_error(world: World, channel: AnyChannel, arity: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        world.call(channel, arity, b"fail")
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert caught.value.details() == "as asked"
    assert isinstance(caught.value, grpc.aio.AioRpcError) or world.name == "sync"


def test_the_deadline_reaches_the_server(world: World, channel: AnyChannel) -> None:
    (remaining,) = world.call(channel, "unary_unary", b"remaining", timeout=60)
    # gRPC rounds it on the wire.
    assert 10 < float(remaining) < 61


def test_waiting_for_the_first_endpoint_uses_up_the_deadline(world: World, ads: AdsServer, backends: Backends) -> None:
    call = world.begin(world.open(ads), "unary_unary", b"remaining", timeout=60)
    eventually(lambda: call.now("time_remaining") < 59.5)
    assign(ads, backends(1))
    assert 10 < float(call.responses()[0]) < 59.6


@every_arity
def test_a_deadline_that_passes(world: World, channel: AnyChannel, arity: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        world.call(channel, arity, b"slow", timeout=0.05)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_serializer_and_a_deserializer(world: World, channel: AnyChannel) -> None:
    responses = world.call(channel, "unary_unary", "ä", serializer=str.encode, deserializer=bytes.decode)
    assert responses == ["ä"]


def test_the_authority_is_the_service(world: World, ads: AdsServer, backend: Backend) -> None:
    # grpcio's server does not show `:authority`; a raw look at the connection does.
    with Tap(backend.port) as tap:
        ads.assign(NAME, Endpoint("127.0.0.1", tap.port))
        world.call(world.open(ads), "unary_unary", b"a")
        assert NAME.encode() in tap.upstream()


@pytest.mark.parametrize("per_call", [False, True], ids=["of the channel", "of the call"])
@every_arity
def test_compression(world: World, ads: AdsServer, backend: Backend, arity: str, per_call: bool) -> None:
    compression: dict[str, Any] = {"compression": grpc.Compression.Gzip}
    with Tap(backend.port) as tap:
        ads.assign(NAME, Endpoint("127.0.0.1", tap.port))
        channel = world.open(ads, **({} if per_call else compression))
        world.call(channel, arity, b"x" * 200_000, **(compression if per_call else {}))
        assert len(tap.upstream()) < 20_000


def test_channel_options(world: World, ads: AdsServer, backend: Backend) -> None:
    options = (("grpc.max_receive_message_length", 10), ("grpc.primary_user_agent", "shop-client"))
    channel = world.open(ads, options=options)
    with pytest.raises(grpc.RpcError) as caught:
        world.call(channel, "unary_unary", b"x" * 11)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert str(dict(backend.metadata[-1])["user-agent"]).startswith("shop-client ")


def test_wait_for_ready_outlasts_an_outage(world: World, ads: AdsServer, backend: Backend) -> None:
    channel = world.open(ads)
    world.wait_ready(channel)
    backend.close()
    eventually(lambda: channel.cluster.nodes[0].connectivity.value == "transient failure")
    with pytest.raises(grpc.RpcError) as caught:
        world.call(channel, "unary_unary", b"a")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    call = world.begin(channel, "unary_unary", b"a", wait_for_ready=True, timeout=60)
    with Backend(backend.port):
        assert call.responses() == [b"a"]


def test_wait_for_ready_waits_for_a_service_that_does_not_exist_yet(
    world: World, ads: AdsServer, backends: Backends
) -> None:
    ads.refuse(NAME, "there is no service shop in namespace prod")
    channel = world.open(ads)
    call = world.begin(channel, "unary_unary", b"a", wait_for_ready=True, timeout=60)
    eventually(lambda: channel.cluster.refusal() is not None)
    assert not call.now("done")
    assign(ads, backends(1))
    assert call.responses() == [b"a"]
