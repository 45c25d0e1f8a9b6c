"""The real messages that our subset stands for; importing them puts them into the default descriptor pool."""

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.extensions.load_balancing_policies.least_request.v3 import least_request_pb2
from envoy.extensions.load_balancing_policies.round_robin.v3 import round_robin_pb2
from envoy.extensions.load_balancing_policies.wrr_locality.v3 import wrr_locality_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from envoy.service.discovery.v3 import discovery_pb2
from xds.data.orca.v3 import orca_load_report_pb2
from xds.service.orca.v3 import orca_pb2
from xds.type.v3 import typed_struct_pb2

__all__ = [
    "cluster_pb2",
    "discovery_pb2",
    "endpoint_pb2",
    "http_connection_manager_pb2",
    "http_protocol_options_pb2",
    "least_request_pb2",
    "listener_pb2",
    "orca_load_report_pb2",
    "orca_pb2",
    "round_robin_pb2",
    "router_pb2",
    "typed_struct_pb2",
    "wrr_locality_pb2",
]
