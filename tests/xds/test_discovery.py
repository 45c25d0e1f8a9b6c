import pytest
from envoy.service.discovery.v3 import discovery_pb2
from hypothesis import given
from hypothesis import strategies as st

from trimtab.errors import ProtocolError
from trimtab.model import Locality
from trimtab.xds import resource_type
from trimtab.xds.discovery import (
    NOT_FOUND,
    ClientNode,
    DiscoveryRequest,
    DiscoveryResponse,
    ResourceError,
)
from trimtab.xds.resource import Resource
from trimtab.xds.sotw import StateOfTheWorld
from trimtab.xds.subscription import Batch, Subscription

text = st.text(max_size=300)
nodes = st.builds(
    ClientNode,
    id=text,
    cluster=text,
    locality=st.builds(Locality, text, text, text),
    user_agent=text,
    user_agent_version=text,
    metadata=st.dictionaries(text, text, max_size=3),
)
requests = st.builds(
    DiscoveryRequest,
    type_url=text,
    names=st.lists(text, max_size=5).map(tuple),
    version=text,
    nonce=text,
    error=st.none() | text,
    node=st.none() | nodes,
)


@given(requests)
def test_a_request_survives_the_wire(request: DiscoveryRequest) -> None:
    assert DiscoveryRequest.parse(request.serialize()) == request


@given(requests)
def test_envoys_own_messages_read_our_requests(request: DiscoveryRequest) -> None:
    real = discovery_pb2.DiscoveryRequest.FromString(request.serialize())
    assert tuple(real.resource_names) == request.names
    assert real.response_nonce == request.nonce
    assert real.HasField("error_detail") == (request.error is not None)
    if request.node is not None:
        assert {k: v.string_value for k, v in real.node.metadata.fields.items()} == request.node.metadata


@given(st.dictionaries(text, st.binary(max_size=40_000), max_size=4), st.dictionaries(text, text, max_size=3))
def test_a_response_glued_from_bytes_is_a_response(bodies: dict[str, bytes], missing: dict[str, str]) -> None:
    # A body is opaque to the envelope; a bytes field of any number stands for one.
    resources = {name: Resource("1", body) for name, body in bodies.items()}
    subscription = Subscription(resource_type.ENDPOINTS, whole=False)
    batch = Batch(resources, [], list(missing))
    version, data = StateOfTheWorld.encode(subscription, batch, "n1", resources.get, missing.__getitem__)
    real = discovery_pb2.DiscoveryResponse.FromString(data)
    assert (real.version_info, real.nonce, real.type_url) == (version, "n1", resource_type.ENDPOINTS)
    assert len(real.resources) == len(bodies)
    assert all(resource.value.endswith(body) for resource, body in zip(real.resources, bodies.values(), strict=True))
    said = [(e.resource_name.name, e.error_detail.code, e.error_detail.message) for e in real.resource_errors]
    assert said == [(name, NOT_FOUND, why) for name, why in missing.items()]
    parsed = DiscoveryResponse.parse(data)
    assert parsed.errors == tuple(ResourceError(name, NOT_FOUND, why) for name, why in missing.items())
    assert [kind for kind, _ in parsed.resources] == [resource_type.ENDPOINTS] * len(bodies)


@pytest.mark.parametrize("parse", [DiscoveryRequest.parse, DiscoveryResponse.parse])
def test_garbage_is_a_protocol_error(parse: object) -> None:
    with pytest.raises(ProtocolError, match="4 bytes that are not a Discovery"):
        parse(b"\xff\xff\xff\xff")  # type: ignore[operator]


@given(st.binary(max_size=200))
def test_any_bytes_either_parse_or_are_a_protocol_error(data: bytes) -> None:
    try:
        DiscoveryRequest.parse(data)
    except ProtocolError as error:
        assert "DiscoveryRequest" in str(error)


def test_what_a_client_says_of_itself_is_kept_to_a_length_that_can_be_shown() -> None:
    message = discovery_pb2.DiscoveryRequest()
    for field in ("id", "cluster", "user_agent_name", "user_agent_version"):
        setattr(message.node, field, "x" * 100_000)
    node = DiscoveryRequest.parse(message.SerializeToString()).node
    assert node is not None
    assert {len(text) for text in (node.id, node.cluster, node.user_agent, node.user_agent_version)} == {1000}


def test_the_version_of_an_envoy_is_its_build_version() -> None:
    message = discovery_pb2.DiscoveryRequest()
    version = message.node.user_agent_build_version.version
    version.major_number, version.minor_number, version.patch = 1, 40, 2
    node = DiscoveryRequest.parse(message.SerializeToString()).node
    assert node is not None
    assert node.user_agent_version == "1.40.2"
