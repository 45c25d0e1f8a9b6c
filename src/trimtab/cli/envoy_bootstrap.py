"""The bootstrap of an Envoy whose clusters come from the control plane (`envoy.config.bootstrap.v3.Bootstrap`)."""

from collections.abc import Mapping, Sequence
from typing import Any

from .listen_address import ListenAddress

Json = dict[str, Any]

_CONTROL_PLANE = "trimtab"
_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "envoy.extensions.filters.http.router.v3.Router"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


_ON_DEMAND = "envoy.extensions.filters.http.on_demand.v3.OnDemand"
_ADS: Json = {"ads": {}, "resource_api_version": "V3"}


def envoy_bootstrap(
    servers: Sequence[ListenAddress],
    admin: ListenAddress,
    node: Mapping[str, Any],
    listen: ListenAddress | None = None,
    *,
    on_demand: bool = False,
    transport_socket: Json | None = None,
) -> Json:
    """Clusters and endpoints over one delta stream.

    With `listen` also a listener that sends each request to the service it names; with `on_demand` no clusters but those that
    requests have named. `transport_socket` is how to connect to the control plane; None: in plain text.
    """
    ads = {
        "api_type": "DELTA_GRPC",
        "transport_api_version": "V3",
        "set_node_on_first_message_only": True,
        "grpc_services": [{"envoy_grpc": {"cluster_name": _CONTROL_PLANE}}],
    }
    static: Json = {"clusters": [_control_plane(servers, transport_socket)]}
    if listen is not None:
        static["listeners"] = [_by_authority(listen, on_demand)]
    return {
        "node": dict(node),
        "admin": {"address": _socket(admin)},
        "dynamic_resources": {"ads_config": ads} if on_demand else {"ads_config": ads, "cds_config": _ADS},
        "static_resources": static,
    }


def _control_plane(servers: Sequence[ListenAddress], transport_socket: Json | None) -> Json:
    endpoints = [{"endpoint": {"address": _socket(server)}} for server in servers]
    # A control plane that vanished without a word must be noticed: its stream is silent for hours when all is well.
    http2 = {"connection_keepalive": {"interval": "30s", "timeout": "10s"}}
    cluster: Json = {
        "name": _CONTROL_PLANE,
        "type": "STRICT_DNS",
        "dns_lookup_family": "ALL",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": _CONTROL_PLANE, "endpoints": [{"lb_endpoints": endpoints}]},
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: _typed(_HTTP_OPTIONS, explicit_http_config={"http2_protocol_options": http2})
        },
    }
    return cluster if transport_socket is None else {**cluster, "transport_socket": transport_socket}


def _by_authority(listen: ListenAddress, on_demand: bool) -> Json:
    """A listener for HTTP/1.1 and HTTP/2 that sends each request to the cluster its Host or :authority names."""
    action = {
        "cluster_header": ":authority",
        # Streams may last; a gRPC call ends by its own deadline.
        "timeout": "0s",
        "max_stream_duration": {"grpc_timeout_header_max": "0s"},
        # Only what no endpoint has seen is sent again, and to another one.
        "retry_policy": {
            "retry_on": "connect-failure,refused-stream",
            "num_retries": 2,
            "retry_host_predicate": [
                {
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": _typed("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
                }
            ],
            "host_selection_retry_max_attempts": 3,
        },
    }
    host = {"name": "services", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": action}]}
    filters = [{"name": "envoy.filters.http.router", "typed_config": _typed(_ROUTER)}]
    if on_demand:
        asking = _typed(_ON_DEMAND, odcds={"source": _ADS, "timeout": "5s"})
        filters.insert(0, {"name": "envoy.filters.http.on_demand", "typed_config": asking})
    manager = _typed(
        _MANAGER,
        stat_prefix="services",
        # The clusters come later than the listener.
        route_config={"name": "services", "validate_clusters": False, "virtual_hosts": [host]},
        http_filters=filters,
    )
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {"name": "services", "address": _socket(listen), "filter_chains": [chain]}


def _typed(message: str, **fields: Any) -> Json:
    return {"@type": f"type.googleapis.com/{message}", **fields}


def _socket(address: ListenAddress) -> Json:
    return {"socket_address": {"address": address.host, "port_value": address.port}}
