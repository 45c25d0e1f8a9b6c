"""What a caller is told when there is no endpoint, in both worlds and for all four arities."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
import pytest

import trimtab
from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually
from tests.client.service import ARITIES, ECHO, NAME, TARGET, assign, in_flight
from tests.client.worlds import AnyChannel, Cancelled, World
from tests.ports import HeldPort
from trimtab.client import placement
from trimtab.model import Policy

Backends = Callable[[int], list[Backend]]

every_arity = pytest.mark.parametrize("arity", ARITIES)


def refused(world: World, channel: AnyChannel, arity: str = "unary_unary", **options: Any) -> Any:
    """What the call raises, which is gRPC's own kind of exception in every respect."""
    with pytest.raises(grpc.RpcError) as caught:
        world.call(channel, arity, b"a", **options)
    error: Any = caught.value
    assert isinstance(caught.value, grpc.aio.AioRpcError if world.name == "aio" else grpc.Call)
    assert error.details() in str(error)
    assert tuple(error.initial_metadata()) == tuple(error.trailing_metadata()) == ()
    assert error.debug_error_string() == ""
    return error


@every_arity
def test_no_such_service(world: World, ads: AdsServer, arity: str) -> None:
    ads.refuse(NAME, "there is no service shop in namespace prod; there is one in namespace test")
    error = refused(world, world.open(ads), arity)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details() == (
        f"{NAME}: there is no service shop in namespace prod; there is one in namespace test; "
        "check the channel's target, and what `trimtab endpoints` lists"
    )
    assert isinstance(error.__cause__, trimtab.ServiceNotFound)


@every_arity
def test_no_endpoints(world: World, ads: AdsServer, arity: str) -> None:
    ads.assign(NAME)
    error = refused(world, world.open(ads), arity)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "shop.prod:8080: the control plane lists no endpoint" in error.details()
    assert "selector" in error.details()
    assert isinstance(error.__cause__, trimtab.NoEndpoints)


@every_arity
def test_a_started_call_that_is_refused(world: World, ads: AdsServer, arity: str) -> None:
    call = world.begin(world.open(ads), arity, b"a")
    done: list[object] = []
    call.when_done(done.append)
    ads.refuse(NAME, "there is no service shop")
    assert call.ask("code") is grpc.StatusCode.UNAVAILABLE
    assert call.ask("details").startswith(f"{NAME}: there is no service shop; check the channel's target")
    assert tuple(call.ask("initial_metadata")) == tuple(call.ask("trailing_metadata")) == ()
    assert call.now("done")
    assert not call.now("cancelled")
    assert not call.now("cancel")
    eventually(lambda: len(done) == 1)
    with pytest.raises(grpc.RpcError):
        call.responses()
    call.when_done(done.append)
    eventually(lambda: len(done) == 2)


def test_the_control_plane_cannot_be_reached(world: World) -> None:
    with HeldPort() as unused:
        address = unused.address
        channel = world.open(None, control_plane=address)
        eventually(lambda: "refused" in channel.cluster.awaited())
        error = refused(world, channel, timeout=0.05)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert f"control plane {address} has been unreachable for " in error.details()
    assert "refused" in error.details()
    assert "check that it runs" in error.details()
    assert isinstance(error.__cause__, trimtab.ControlPlaneUnreachable)


def test_without_a_deadline_a_call_waits_as_long_as_grpc_waits_for_a_resource(
    world: World, ads: AdsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert placement.MAX_WAIT_S == 15
    monkeypatch.setattr(placement, "MAX_WAIT_S", 0.05)
    ads.assign("other.prod:1")
    channel = world.open(ads)
    error = refused(world, channel)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "shop.prod:8080: no endpoints known yet" in error.details()


def test_a_control_plane_that_answers_but_does_not_know_the_service(world: World, ads: AdsServer) -> None:
    assign(ads, [], "other.prod:1")
    other = world.open(ads, "other.prod:1")
    eventually(lambda: other.cluster.assigned)
    error = refused(world, world.open(ads), timeout=0.05)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "is connected but has not sent this service" in error.details()
    assert type(error.__cause__) is trimtab.Unavailable


def test_endpoints_that_are_never_reached_in_time(world: World, ads: AdsServer, backends: Backends) -> None:
    (dead,) = backends(1)
    dead.close()
    assign(ads, [dead])
    error = refused(world, world.open(ads), wait_for_ready=True, timeout=0.3)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "shop.prod:8080: 0 of 1 endpoints are connected" in error.details()


def test_a_refusal_is_forgotten_when_the_service_appears(world: World, ads: AdsServer, backends: Backends) -> None:
    ads.refuse(NAME, "there is no service shop")
    channel = world.open(ads)
    refused(world, channel)
    assign(ads, backends(1))
    world.wait_ready(channel)
    assert world.call(channel, "unary_unary", b"a") == [b"a"]


@every_arity
def test_cancelled_while_it_waits(world: World, ads: AdsServer, arity: str) -> None:
    call = world.begin(world.open(ads), arity, b"a")
    done: list[object] = []
    call.when_done(done.append)
    assert call.now("cancel")
    with pytest.raises(Cancelled):
        call.responses()
    assert call.now("cancelled")
    assert call.ask("code") is grpc.StatusCode.CANCELLED
    eventually(lambda: len(done) == 1)


@every_arity
def test_closed_while_it_waits(world: World, ads: AdsServer, arity: str) -> None:
    channel = world.open(ads)
    call = world.begin(channel, arity, b"a")
    world.close(channel)
    with pytest.raises(Cancelled):
        call.responses()
    assert call.ask("code") is grpc.StatusCode.CANCELLED


def test_a_blocking_call_is_woken_when_its_channel_is_closed(ads: AdsServer) -> None:
    channel = trimtab.channel(TARGET, control_plane=ads.address)

    with ThreadPoolExecutor(1) as thread:
        calling = thread.submit(channel.unary_unary(ECHO), b"a")
        eventually(lambda: channel.cluster._waiters)
        channel.close()
        with pytest.raises(grpc.RpcError) as caught:
            calling.result(10)
    assert caught.value.code() is grpc.StatusCode.CANCELLED


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"target": "dns:///shop.prod:8080"}, trimtab.TargetError),
        ({"target": "shop.prod:8080:9"}, trimtab.TargetError),
        ({"target": TARGET, "control_plane": "nowhere"}, trimtab.BootstrapError),
        ({"target": TARGET, "control_plane": None}, trimtab.BootstrapError),
        ({"target": TARGET, "control_plane": None, "bootstrap": {"xds_servers": []}}, trimtab.BootstrapError),
    ],
)
def test_arguments_that_make_no_sense(
    world: World, ads: AdsServer, arguments: dict[str, object], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("TRIMTAB_XDS", "GRPC_XDS_BOOTSTRAP", "GRPC_XDS_BOOTSTRAP_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(error):
        world.open(ads, **arguments)  # type: ignore[arg-type]


@every_arity
def test_too_many_requests(world: World, ads: AdsServer, backends: Backends, arity: str) -> None:
    (backend,) = backends(1)
    assign(ads, [backend])
    channel = world.open(ads, policy=Policy(max_requests=1))
    first = world.begin(channel, arity, b"slow", timeout=60)
    backend.entered.acquire()
    # Not even who waits for ready waits: there is an endpoint, and it is to get no more than this.
    error = refused(world, channel, arity, wait_for_ready=True)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details() == (
        f"{NAME}: 1 in flight already, as many calls as the policy's max_requests allows; "
        "make fewer calls at a time, try again later, or raise the limit"
    )
    assert isinstance(error.__cause__, trimtab.TooManyRequests)
    backend.release.set()
    first.responses()
    eventually(lambda: in_flight(channel) == 0)
    assert world.call(channel, arity, b"again", timeout=60)


def test_a_served_limit_holds_too(world: World, ads: AdsServer, backends: Backends) -> None:
    (backend,) = backends(1)
    assign(ads, [backend])
    ads.balance(NAME, Policy(max_requests=1))
    channel = world.open(ads)
    eventually(lambda: channel.cluster.policy.max_requests == 1)
    held = world.begin(channel, "unary_unary", b"slow", timeout=60)
    backend.entered.acquire()
    assert isinstance(refused(world, channel).__cause__, trimtab.TooManyRequests)
    ads.balance(NAME, Policy(max_requests=2))
    eventually(lambda: channel.cluster.policy.max_requests == 2)
    assert world.call(channel, "unary_unary", b"hello", timeout=60) == [b"hello"]
    backend.release.set()
    held.responses()
