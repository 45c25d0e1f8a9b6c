import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xds.envoy_messages import discovery_pb2
from trimtab.errors import ProtocolError
from trimtab.xds import resource_type
from trimtab.xds.delta_discovery import DeltaRequest, encode_delta_resource, encode_delta_response
from trimtab.xds.discovery import NOT_FOUND, ClientNode, ResourceError

text = st.text(max_size=50)
names = st.lists(text, max_size=4).map(tuple)
requests = st.builds(
    DeltaRequest,
    type_url=text,
    subscribe=names,
    unsubscribe=names,
    initial_versions=st.dictionaries(text, text, max_size=3),
    nonce=text,
    error=st.none() | text,
    node=st.none() | st.builds(ClientNode, id=text),
)


@given(requests)
def test_a_request_survives_the_wire(request: DeltaRequest) -> None:
    assert DeltaRequest.parse(request.serialize()) == request


@given(requests)
def test_envoys_own_messages_read_our_requests(request: DeltaRequest) -> None:
    real = discovery_pb2.DeltaDiscoveryRequest.FromString(request.serialize())
    assert tuple(real.resource_names_subscribe) == request.subscribe
    assert tuple(real.resource_names_unsubscribe) == request.unsubscribe
    assert dict(real.initial_resource_versions) == request.initial_versions


@given(st.lists(st.tuples(text, text, st.binary(max_size=300)), max_size=4), names)
def test_a_response_glued_from_bytes_is_a_response(bodies: list[tuple[str, str, bytes]], gone: tuple[str, ...]) -> None:
    entries = [encode_delta_resource(resource_type.ENDPOINTS, *body) for body in bodies]
    errors = [ResourceError("payments.prod", NOT_FOUND, "no such service")]
    data = encode_delta_response(resource_type.ENDPOINTS, "v1", "n1", entries, gone, errors)
    real = discovery_pb2.DeltaDiscoveryResponse.FromString(data)
    assert (real.system_version_info, real.nonce, real.type_url) == ("v1", "n1", resource_type.ENDPOINTS)
    assert [(r.name, r.version) for r in real.resources] == [(name, version) for name, version, _ in bodies]
    assert all(r.resource.value.endswith(body) for r, (_, _, body) in zip(real.resources, bodies, strict=True))
    assert tuple(real.removed_resources) == gone
    assert real.resource_errors[0].error_detail.message == "no such service"


def test_garbage_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError, match="3 bytes that are not a DeltaDiscoveryRequest"):
        DeltaRequest.parse(b"\xff\xff\xff")
