"""An ACK is recognised by its bytes only where decoding it would say the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xds.envoy_messages import discovery_pb2
from tests.xds.shelf import DeltaClient, Shelf, SotwClient
from trimtab.errors import ProtocolError
from trimtab.xds.delta_discovery import DeltaRequest
from trimtab.xds.discovery import ClientNode, DiscoveryRequest, encode_nonce, encode_version
from trimtab.xds.repetition import repeatable_part
from trimtab.xds.resource_type import ENDPOINTS

A, B = "a.default:80", "b.default:80"
texts = st.text(max_size=4)


def decoded(data: bytes) -> DiscoveryRequest:
    return DiscoveryRequest.parse(data)


@given(st.lists(texts), texts, texts, texts, texts)
def test_the_same_bytes_between_another_version_and_nonce_ask_for_the_same(
    names: list[str], version: str, nonce: str, other_version: str, other_nonce: str
) -> None:
    part = repeatable_part(decoded(DiscoveryRequest(ENDPOINTS, tuple(names), version, nonce).serialize()))
    assert part is not None
    again = decoded(encode_version(other_version) + part + encode_nonce(other_nonce))
    assert again == DiscoveryRequest(ENDPOINTS, tuple(names), other_version, other_nonce)


@given(st.binary(max_size=40), texts, texts)
def test_whatever_a_client_sends_what_is_taken_for_a_repetition_decodes_to_one(
    data: bytes, version: str, nonce: str
) -> None:
    data = encode_version(version) + data + encode_nonce(nonce)
    try:
        request = decoded(data)
    except ProtocolError:
        return
    if (part := repeatable_part(request)) is not None:
        again = decoded(encode_version("v") + part + encode_nonce("n"))
        assert again == DiscoveryRequest(request.type_url, request.names, "v", "n")


@pytest.mark.parametrize(
    "request_",
    [
        DiscoveryRequest(ENDPOINTS, (A,), "1", "1", error="no"),
        DiscoveryRequest(ENDPOINTS, (A,), "1", "1", node=ClientNode(id="client-1")),
    ],
)
def test_a_request_that_says_more_is_no_repetition(request_: DiscoveryRequest) -> None:
    assert repeatable_part(decoded(request_.serialize())) is None


def test_fields_in_another_order_are_no_repetition() -> None:
    names_last = encode_nonce("1") + discovery_pb2.DiscoveryRequest(resource_names=[A]).SerializeToString()
    assert repeatable_part(decoded(names_last)) is None


def test_an_ack_that_repeats_the_subscription_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    client = SotwClient(Shelf(A, B))
    client.subscribe(A, B)
    client.shelf.put(A, "2")
    client.changed(A)
    client.response()
    monkeypatch.setattr(DiscoveryRequest, "parse", None)
    client.ask(A, B)
    (subscription,) = client.stream.subscriptions
    assert subscription.delivery.acked_version == client.last.version_info


def test_an_incremental_ack_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    client = DeltaClient(Shelf(A))
    client.ask(A)
    client.response()
    monkeypatch.setattr(DeltaRequest, "parse", None)
    client.ack()
    (subscription,) = client.stream.subscriptions
    assert not subscription.delivery.outstanding
