"""What a channel is given has the right type, or whoever gives it is told at once, in both worlds."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest

import trimtab
import trimtab.aio

_WHERE: dict[str, Any] = {"control_plane": "127.0.0.1:1"}
MAKERS: list[Callable[..., Any]] = [trimtab.channel, trimtab.aio.channel]


@pytest.mark.parametrize("make", MAKERS, ids=["sync", "aio"])
@pytest.mark.parametrize(
    ("argument", "value", "error", "message"),
    [
        ("policy", "p2c", trimtab.PolicyError, r"policy: expected a trimtab.Policy, .* got 'p2c'; Policy.from_mapping"),
        ("policy", {"strategy": "p2c"}, trimtab.PolicyError, r"policy: expected a trimtab.Policy, .* got {'strategy'"),
        ("policy", trimtab.Policy, trimtab.PolicyError, "policy: expected a trimtab.Policy"),
        ("fallback", 5, trimtab.TargetError, "fallback: expected what plain gRPC is to dial, .* got 5"),
        ("recorder", 5, TypeError, "recorder: expected an object with the methods of trimtab.balance.Recorder, got 5"),
        ("control_plane", 5, trimtab.BootstrapError, "control_plane: expected HOST:PORT, .* got 5"),
        ("bootstrap", 5, trimtab.BootstrapError, "bootstrap: expected the path .* got 5"),
        ("authority", 5, TypeError, "authority: expected a host's name, .* got 5"),
        ("credentials", "tls", TypeError, r"credentials: expected .*grpc.ssl_channel_credentials\(\) .* got 'tls'"),
        ("credentials", grpc.access_token_call_credentials("x"), TypeError, "credentials: expected"),
        ("compression", "gzip", TypeError, "compression: expected a grpc.Compression, .* got 'gzip'"),
        ("options", 5, TypeError, r"options: expected a sequence of pairs, such as \('grpc.* got 5"),
        ("options", "abc", TypeError, "options: .* got 'a' among them"),
        ("options", {"grpc.x": 1}, TypeError, "options: .* got 'grpc.x' among them"),
        ("options", [("grpc.x",)], TypeError, r"options: .* got \('grpc.x',\) among them"),
        ("options", [(5, 1)], TypeError, r"options: .* got \(5, 1\) among them"),
    ],
)
def test_a_wrong_type_is_refused(
    make: Callable[..., Any], argument: str, value: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make("xds:///shop.prod:8080", **(_WHERE if argument != "bootstrap" else {}) | {argument: value})


UNTAKEN = [(object(), TypeError), (None, TypeError), (2**40, ValueError), ("\ud800", ValueError)]


@pytest.mark.parametrize(("value", "error"), UNTAKEN)
def test_an_option_that_grpc_does_not_take_is_refused_when_the_channel_is_made(
    value: object, error: type[Exception]
) -> None:
    async def make() -> None:
        trimtab.aio.channel("shop.prod", options=options, **_WHERE)

    options: Any = [("grpc.keepalive_time_ms", 30_000), ("grpc.x", value)]
    with pytest.raises(error, match=r"options: gRPC does not take \('grpc.x', "):
        trimtab.channel("shop.prod", options=options, **_WHERE)
    with pytest.raises(error, match=r"options: gRPC does not take \('grpc.x', "):
        asyncio.run(make())


def test_outside_of_a_loop_it_is_refused_by_the_first_call() -> None:
    async def use() -> None:
        channel.unary_unary("/shop.Shop/Buy")(b"")

    options: Any = [("grpc.x", object())]
    channel = trimtab.aio.channel("shop.prod", options=options, **_WHERE)
    with pytest.raises(TypeError, match=r"options: gRPC does not take \('grpc.x', "):
        asyncio.run(use())


@pytest.mark.parametrize("make", MAKERS, ids=["sync", "aio"])
def test_what_grpc_takes_is_taken(make: Callable[..., Any]) -> None:
    options = ((name, value) for name, value in [("grpc.x", "y"), ("grpc.z", b"z"), (b"grpc.b", 1)])
    closing = make("shop.prod", options=options, compression=int(grpc.Compression.Gzip), **_WHERE).close()
    if closing is not None:
        asyncio.run(closing)
