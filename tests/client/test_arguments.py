"""What a channel is given has the right type, or whoever gives it is told at once, in both worlds."""

from collections.abc import Callable
from typing import Any

import pytest

import trimtab
import trimtab.aio

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
    ],
)
def test_a_wrong_type_is_refused(
    make: Callable[..., Any], argument: str, value: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make("xds:///shop.prod:8080", control_plane="127.0.0.1:1", **{argument: value})
