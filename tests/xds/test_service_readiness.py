"""What replicas tell each other of since when endpoints are ready, on the wire."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.errors import ProtocolError
from trimtab.xds import messages
from trimtab.xds.resource_type import READINESS
from trimtab.xds.service_readiness import ServiceReadiness, Sighting, decode_readiness, encode_readiness

TIMES = st.floats(allow_nan=False, allow_infinity=False, width=64, min_value=0.0, max_value=1e12)
IDENTITIES = st.tuples(st.text(max_size=20), st.integers(0, 65535), st.text(max_size=40))
SIGHTINGS = st.dictionaries(IDENTITIES, st.builds(Sighting, TIMES, TIMES), max_size=20)


@given(st.text(max_size=20), SIGHTINGS)
def test_what_is_said_is_understood_to_the_bit(replica: str, sightings: dict[Any, Sighting]) -> None:
    said = ServiceReadiness(replica, sightings)
    resource = encode_readiness(said)
    assert decode_readiness(resource.body) == ("", said)
    assert encode_readiness(said).version == resource.version


def test_other_dates_have_another_version() -> None:
    one, two = ({("10.0.0.1", 80, "x"): Sighting(1.0, since)} for since in (1.0, 2.0))
    assert encode_readiness(ServiceReadiness("a", one)).version != encode_readiness(ServiceReadiness("a", two)).version


def test_without_a_body_nothing_is_known_any_more() -> None:
    message = messages.ServiceReadiness(service="payments.prod")
    assert decode_readiness(message.SerializeToString()) == ("payments.prod", ServiceReadiness())


@pytest.mark.parametrize(
    "wrong",
    [
        {"uids": ["x", "y"]},
        {"addresses": ["a" * 254]},
        {"uids": ["x" * 254]},
        {"absent_until": []},
        {"ready_since": [math.nan]},
        {"absent_until": [math.inf]},
        {"absent_until": [-math.inf]},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    fields = {"addresses": ["10.0.0.1"], "ports": [80], "uids": ["x"], "absent_until": [1.0], "ready_since": [1.0]}
    message = messages.ServiceReadiness(service="payments.prod", replica="r", **(fields | wrong))
    with pytest.raises(ProtocolError, match=r"payments\.prod"):
        decode_readiness(message.SerializeToString())


def test_the_type_is_that_of_the_message() -> None:
    assert messages.type_url(messages.ServiceReadiness) == READINESS
