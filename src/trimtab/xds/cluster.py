"""Policy ⇄ Cluster, written in the dialect of the client that asks.

A cluster's `load_balancing_policy` is an ordered list of which a client takes the first entry it supports. Ours comes first,
as a TypedStruct that others skip; what follows depends on the dialect (docs/adr/0009).
"""

from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format

from ..errors import PolicyError, ProtocolError
from ..model import Policy
from . import messages
from .dialect import Dialect
from .discovery import parse
from .messages import type_url

POLICY_TYPE = "type.googleapis.com/trimtab.dev.Policy"
_OUTLIER_COUNTS = (
    "max_ejection_percent",
    "success_rate_stdev_factor",
    "success_rate_minimum_hosts",
    "success_rate_request_volume",
    "failure_percentage_threshold",
    "failure_percentage_minimum_hosts",
    "failure_percentage_request_volume",
    "consecutive_5xx",
)
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


@dataclass(frozen=True, slots=True)
class DnsTarget:
    """What clients find by DNS themselves."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def encode_cluster(policy: Policy, dialect: Dialect, *, http2: bool, target: DnsTarget | None = None) -> bytes:
    """A Cluster without its name; its endpoints are those of the assignment of the same name, or what DNS says of `target`.

    `http2` says what Envoy is to speak to the endpoints; gRPC clients speak nothing else and are not told.
    """
    cluster = messages.Cluster(lb_policy="ROUND_ROBIN")
    _encode_discovery(cluster, dialect, target)
    cluster.connect_timeout.FromMilliseconds(round(policy.connect_timeout_s * 1000))
    _encode_limits(cluster, policy)
    _add(cluster.load_balancing_policy, _own_policy(policy))
    if dialect is Dialect.ENVOY:
        _add(cluster.load_balancing_policy, _envoy_least_request(policy))
        _encode_protocol(cluster, http2)
    else:
        _add(cluster.load_balancing_policy, _grpc_wrr_locality())
    return bytes(cluster.SerializeToString(deterministic=True))


def _encode_discovery(cluster: Any, dialect: Dialect, target: DnsTarget | None) -> None:
    if target is None:
        cluster.type = messages.DISCOVERY_TYPES["EDS"].number
        cluster.eds_cluster_config.eds_config.ads.SetInParent()
        cluster.eds_cluster_config.eds_config.resource_api_version = messages.API_V3
        return
    # gRPC knows one kind, with exactly one locality and one endpoint (gRFC A37); Envoy's other one balances over all addresses.
    kind = "STRICT_DNS" if dialect is Dialect.ENVOY else "LOGICAL_DNS"
    cluster.type = messages.DISCOVERY_TYPES[kind].number
    cluster.dns_lookup_family = messages.Cluster.V4_PREFERRED
    cluster.load_assignment.cluster_name = str(target)
    locality = cluster.load_assignment.endpoints.add()
    locality.load_balancing_weight.value = 1
    address = locality.lb_endpoints.add().endpoint.address.socket_address
    address.address, address.port_value = target.host, target.port


def decode_policy(data: bytes) -> tuple[str, Policy | PolicyError]:
    """A cluster's name and our own policy in it, or why that cannot be used. Raises ProtocolError.

    A wrong policy is no reason to refuse the cluster: the control plane may be newer than the client. Without any the default
    holds.
    """
    cluster = parse(messages.Cluster, data)
    if not cluster.name:
        raise ProtocolError("Cluster without name")
    configs = (entry.typed_extension_config.typed_config for entry in cluster.load_balancing_policy.policies)
    structs = (parse(messages.TypedStruct, c.value) for c in configs if c.type_url == type_url(messages.TypedStruct))
    own = next((struct.value for struct in structs if struct.type_url == POLICY_TYPE), None)
    try:
        return cluster.name, Policy() if own is None else Policy.from_mapping(json_format.MessageToDict(own))
    except PolicyError as error:
        return cluster.name, error


def _own_policy(policy: Policy) -> Any:
    own = messages.TypedStruct(type_url=POLICY_TYPE)
    json_format.ParseDict(policy.to_mapping(), own.value)
    return own


def _envoy_least_request(policy: Policy) -> Any:
    least_request = messages.LeastRequest()
    least_request.choice_count.value = 2
    least_request.locality_lb_config.locality_weighted_lb_config.SetInParent()
    if policy.slow_start_s:
        slow_start = least_request.slow_start_config
        slow_start.slow_start_window.FromMilliseconds(round(policy.slow_start_s * 1000))
        # Envoy takes no value without a key by which its runtime may override it.
        slow_start.aggression.runtime_key = "trimtab.slow_start_aggression"
        slow_start.aggression.default_value = policy.slow_start_aggression
        slow_start.min_weight_percent.value = 100 * policy.slow_start_min
    return least_request


def _grpc_wrr_locality() -> Any:
    # Go and Java take the first child; C++ and Python know no least_request in xDS and fall to the second (gRFC A48).
    policy = messages.WrrLocality()
    least_request = messages.LeastRequest()
    least_request.choice_count.value = 2
    _add(policy.endpoint_picking_policy, least_request)
    _add(policy.endpoint_picking_policy, messages.RoundRobin())
    return policy


def _encode_limits(cluster: Any, policy: Policy) -> None:
    if policy.max_requests is not None:
        cluster.circuit_breakers.thresholds.add().max_requests.value = policy.max_requests
    if (detection := policy.outlier_detection) is None:
        return
    for field in ("interval", "base_ejection_time", "max_ejection_time"):
        getattr(cluster.outlier_detection, field).FromMilliseconds(round(getattr(detection, f"{field}_s") * 1000))
    for field in _OUTLIER_COUNTS:
        getattr(cluster.outlier_detection, field).value = getattr(detection, field)
    # Envoy detects failure percentages only where it is told to; gRPC reads the field the same way (gRFC A50).
    cluster.outlier_detection.enforcing_failure_percentage.value = 100


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
