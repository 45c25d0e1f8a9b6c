import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xds.envoy_messages import discovery_pb2
from trimtab.errors import ProtocolError
from trimtab.xds import resource_type
from trimtab.xds.delta import Incremental
from trimtab.xds.delta_discovery import DeltaRequest
from trimtab.xds.discovery import NOT_FOUND, ClientNode
from trimtab.xds.resource import Resource
from trimtab.xds.subscription import Batch, Subscription

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


resources_by_name = st.dictionaries(text, st.builds(Resource, text, st.binary(max_size=300)), max_size=4)


@given(resources_by_name, names, names)
def test_a_response_glued_from_bytes_is_a_response(
    resources: dict[str, Resource], gone: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    subscription = Subscription(resource_type.ENDPOINTS, whole=False)
    batch = Batch(resources, list(gone), list(missing))
    version, data = Incremental.encode(subscription, batch, "n1", resources.get, lambda name: f"no {name}")
    real = discovery_pb2.DeltaDiscoveryResponse.FromString(data)
    assert (real.system_version_info, real.nonce, real.type_url) == (version, "n1", resource_type.ENDPOINTS)
    assert [(r.name, r.version) for r in real.resources] == [(name, each.version) for name, each in resources.items()]
    bodies = [each.body for each in resources.values()]
    assert all(r.resource.value.endswith(body) for r, body in zip(real.resources, bodies, strict=True))
    assert tuple(real.removed_resources) == (*gone, *missing)
    said = [(e.resource_name.name, e.error_detail.code, e.error_detail.message) for e in real.resource_errors]
    assert said == [(name, NOT_FOUND, f"no {name}") for name in missing]


def test_garbage_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError, match="3 bytes that are not a DeltaDiscoveryRequest"):
        DeltaRequest.parse(b"\xff\xff\xff")
