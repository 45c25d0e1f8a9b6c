"""The real messages must be able to read what is shown, and find in it what was encoded."""

import json
from collections.abc import Callable

import pytest
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from tests.xds.envoy_messages import cluster_pb2, endpoint_pb2, listener_pb2
from trimtab.model import Assignment, Endpoint, Locality, LocalityEndpoints, OutlierDetection, Policy
from trimtab.xds.assignment import encode_body
from trimtab.xds.cluster import encode_cluster
from trimtab.xds.dialect import Dialect
from trimtab.xds.discovery import encode_any
from trimtab.xds.json_form import resource_json
from trimtab.xds.listener import encode_listener
from trimtab.xds.resource_type import CLUSTERS, ENDPOINTS, LISTENERS

NAME = "payments.prod:8080"
ASSIGNMENT = Assignment(NAME, (LocalityEndpoints(Locality("eu", "a"), (Endpoint("10.0.0.1", 9090, uid="u1"),)),))
POLICY = Policy(slow_start_s=3.5, max_requests=10, outlier_detection=OutlierDetection())


@pytest.mark.parametrize(
    ("type_url", "message_class", "body"),
    [
        (ENDPOINTS, endpoint_pb2.ClusterLoadAssignment, encode_body(ASSIGNMENT)),
        (CLUSTERS, cluster_pb2.Cluster, encode_cluster(POLICY, Dialect.ENVOY, http2=True)),
        (CLUSTERS, cluster_pb2.Cluster, encode_cluster(POLICY, Dialect.GRPC, http2=True)),
        (LISTENERS, listener_pb2.Listener, encode_listener(NAME)),
    ],
)
def test_the_json_is_that_of_the_real_message(type_url: str, message_class: Callable[[], Message], body: bytes) -> None:
    shown = resource_json(type_url, NAME, body)
    assert shown.pop("@type") == type_url
    sent = message_class()
    sent.ParseFromString(Any.FromString(encode_any(type_url, NAME, body)).value)
    assert in_order(sent) == json.dumps(shown, sort_keys=True)
    assert in_order(json_format.ParseDict(shown, message_class())) == in_order(sent)


def in_order(message: Message) -> str:
    # Any in JSON is an OrderedDict, to which the order of fields means something.
    return json.dumps(json_format.MessageToDict(message, preserving_proto_field_name=True), sort_keys=True)


def test_a_resource_has_its_name() -> None:
    assert resource_json(ENDPOINTS, NAME, b"") == {"@type": ENDPOINTS, "cluster_name": NAME}
