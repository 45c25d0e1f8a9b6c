"""Policy → Cluster, in the dialect of the client that asks.

A cluster's `load_balancing_policy` is an ordered list of which a client takes the first entry it supports. Ours comes first,
as a TypedStruct that others skip; what follows depends on the dialect (docs/adr/0009).
"""

from typing import Any

from google.protobuf import json_format

from ..model import Policy
from . import messages
from .dialect import Dialect
from .messages import type_url

POLICY_TYPE = "type.googleapis.com/trimtab.dev.Policy"
_CONNECT_TIMEOUT_S = 5
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def encode_cluster(policy: Policy, dialect: Dialect, *, http2: bool) -> bytes:
    """A Cluster without its name; its endpoints are those of the assignment of the same name.

    `http2` says what Envoy is to speak to the endpoints; gRPC clients speak nothing else and are not told.
    """
    cluster = messages.Cluster(type="EDS", lb_policy="ROUND_ROBIN")
    cluster.eds_cluster_config.eds_config.ads.SetInParent()
    cluster.eds_cluster_config.eds_config.resource_api_version = messages.API_V3
    cluster.connect_timeout.seconds = _CONNECT_TIMEOUT_S
    _add(cluster.load_balancing_policy, _own_policy(policy))
    if dialect is Dialect.ENVOY:
        _add(cluster.load_balancing_policy, _envoy_least_request())
        _encode_protocol(cluster, http2)
    else:
        _add(cluster.load_balancing_policy, _grpc_wrr_locality())
    return bytes(cluster.SerializeToString(deterministic=True))


def _own_policy(policy: Policy) -> Any:
    fields = {"strategy": policy.strategy, "max_connections": policy.max_connections}
    own = messages.TypedStruct(type_url=POLICY_TYPE)
    json_format.ParseDict(fields, own.value)
    return own


def _envoy_least_request() -> Any:
    policy = messages.LeastRequest()
    policy.choice_count.value = 2
    policy.locality_lb_config.locality_weighted_lb_config.SetInParent()
    return policy


def _grpc_wrr_locality() -> Any:
    # Go and Java take the first child; C++ and Python know no least_request in xDS and fall to the second (gRFC A48).
    policy = messages.WrrLocality()
    least_request = messages.LeastRequest()
    least_request.choice_count.value = 2
    _add(policy.endpoint_picking_policy, least_request)
    _add(policy.endpoint_picking_policy, messages.RoundRobin())
    return policy


def _encode_protocol(cluster: Any, http2: bool) -> None:
    options = messages.HttpProtocolOptions()
    config = options.explicit_http_config
    (config.http2_protocol_options if http2 else config.http_protocol_options).SetInParent()
    extension = cluster.typed_extension_protocol_options[_HTTP_OPTIONS]
    extension.type_url = type_url(messages.HttpProtocolOptions)
    extension.value = options.SerializeToString(deterministic=True)


def _add(policies: Any, message: Any) -> None:
    extension = policies.policies.add().typed_extension_config
    extension.name = message.DESCRIPTOR.full_name
    extension.typed_config.type_url = type_url(type(message))
    extension.typed_config.value = message.SerializeToString(deterministic=True)
