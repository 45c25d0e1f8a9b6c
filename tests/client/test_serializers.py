"""Serializers and deserializers that fail: callers are told what a plain channel tells them, and the call is counted as ended."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually
from tests.client.service import ARITIES, assign, in_flight
from tests.client.worlds import AnyChannel, Cancelled, World

Backends = Callable[[int], list[Backend]]


def broken(message: object) -> Any:
    raise RuntimeError("no meaning in this")


def text(message: object) -> Any:
    """No bytes: a mistake that grpcio finds out later than the other."""
    return "text"


FAILING = {
    "the request": {"serializer": broken},
    "the request, with no bytes": {"serializer": text},
    "the response": {"deserializer": broken},
}


@pytest.fixture
def backend(backends: Backends) -> Backend:
    return backends(1)[0]


def told(responses: Callable[[], list[Any]]) -> object:
    """What a caller gets to know of a call."""
    try:
        return responses()
    except grpc.RpcError as error:
        return type(error), error.code(), error.details()
    except (Cancelled, TypeError) as error:
        return type(error), str(error)


def called(world: World, channel: AnyChannel, arity: str, **options: Any) -> object:
    return told(lambda: world.call(channel, arity, b"a", timeout=60, **options))


def begun(world: World, channel: AnyChannel, arity: str, **options: Any) -> object:
    return told(lambda: world.begin(channel, arity, b"a", timeout=60, **options).responses())


@pytest.mark.parametrize("arity", ARITIES)
@pytest.mark.parametrize("fails", FAILING)
@pytest.mark.parametrize("made", [called, begun])
def test_fails_as_on_a_plain_channel(
    world: World, ads: AdsServer, backend: Backend, arity: str, fails: str, made: Callable[..., object]
) -> None:
    if world.name == "sync" and arity.startswith("stream") and FAILING[fails].get("serializer") is text:
        pytest.skip("grpcio's thread that reads the requests fails: the call goes on to its deadline")
    assign(ads, [backend])
    channel = world.open(ads)
    world.wait_ready(channel)
    expected = made(world, world.plain(backend.port), arity, **FAILING[fails])
    assert made(world, channel, arity, **FAILING[fails]) == expected
    eventually(lambda: in_flight(channel) == 0)


@pytest.mark.parametrize("arity", ARITIES)
@pytest.mark.parametrize("fails", ["the request", "the response"])
def test_fails_alike_if_it_had_to_wait_for_its_endpoint(
    world: World, ads: AdsServer, backend: Backend, arity: str, fails: str
) -> None:
    channel = world.open(ads)
    call = world.begin(channel, arity, b"a", timeout=60, **FAILING[fails])
    assign(ads, [backend])
    assert told(call.responses) == begun(world, world.plain(backend.port), arity, **FAILING[fails])
    eventually(lambda: in_flight(channel) == 0)
