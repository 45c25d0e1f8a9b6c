"""What replicas tell each other of their clients, on the wire."""

from typing import Any

import pytest

from trimtab.errors import ProtocolError
from trimtab.xds import messages
from trimtab.xds.service_census import ServiceCensus, decode_census


def test_what_is_said_is_understood() -> None:
    message = messages.ServiceCensus(
        service="payments.prod:8080", replica="r", clients={"a": 2, "": 1}, shares={"a": 60}
    )
    said = ServiceCensus("r", {"a": 2, "": 1}, {"a": 60})
    assert decode_census(message.SerializeToString()) == ("payments.prod:8080", said)


def test_without_a_body_nothing_is_known_any_more() -> None:
    message = messages.ServiceCensus(service="payments.prod:8080/shard=a")
    assert decode_census(message.SerializeToString()) == ("payments.prod:8080/shard=a", ServiceCensus())


@pytest.mark.parametrize(
    "wrong",
    [
        {"service": ""},
        {"service": "a b"},
        {"shares": {"a": 0}},
        {"shares": {"a": 60, "b": 0}},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    fields = {"service": "payments.prod:8080", "replica": "r", "clients": {"a": 1}, "shares": {"a": 60}}
    message = messages.ServiceCensus(**(fields | wrong))
    with pytest.raises(ProtocolError, match="census of"):
        decode_census(message.SerializeToString())
