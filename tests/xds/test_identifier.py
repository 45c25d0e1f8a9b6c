import pytest

from trimtab.xds import messages
from trimtab.xds.identifier import Identifier, encode_identifier, read_identifier


@pytest.mark.parametrize("seen", [0, 4711])
@pytest.mark.parametrize("zone", ["", "eu-central-1a", "a zone with spaces"])
def test_what_is_said_is_read(zone: str, seen: int) -> None:
    response = messages.DiscoveryResponse.FromString(encode_identifier(1732500000.123, zone, seen))
    assert read_identifier(response.control_plane.identifier) == Identifier(1732500000.12, zone, seen)


@pytest.mark.parametrize("other", ["", "istiod-7", "trimtab", "trimtab t=", "trimtab t=1 zone="])
def test_what_others_say_is_nothing(other: str) -> None:
    assert read_identifier(other) is None
