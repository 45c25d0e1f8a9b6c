from typing import Any

import grpc.aio
import pytest

from trimtab.client.metadata import doubtful


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("authorization", "Bearer x y"), ("a.b_c-9", "")),
        [("trace-bin", b"\0\xff"), ("trace-bin", "text")],
        grpc.aio.Metadata(("a", "b"), ("a", "c"), ("a-bin", b"d")),
    ],
)
def test_what_grpc_sends_is_not_doubtful(metadata: Any) -> None:
    assert not doubtful(metadata)


@pytest.mark.parametrize(
    "pair",
    [
        ("UPPER", "x"),
        ("", "x"),
        (":a", "x"),
        ("a b", "x"),
        ("ä", "x"),
        ("a\n", "x"),
        ("a", "x\n"),
        ("a", "ä"),
        ("a", b"x"),
        ("a", 1),
    ],
)
def test_what_it_may_refuse_is(pair: Any) -> None:
    assert doubtful((("fine", "x"), pair))
