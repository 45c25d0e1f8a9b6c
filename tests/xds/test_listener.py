from tests.xds.envoy_messages import http_connection_manager_pb2, listener_pb2, router_pb2
from trimtab.xds.listener import encode_listener

NAME = "payments.prod:8080"


def test_every_call_goes_to_the_cluster_of_the_same_name() -> None:
    listener = listener_pb2.Listener.FromString(encode_listener(NAME))
    manager = http_connection_manager_pb2.HttpConnectionManager()
    assert listener.api_listener.api_listener.Unpack(manager)
    (host,) = manager.route_config.virtual_hosts
    assert list(host.domains) == ["*"]
    (route,) = host.routes
    assert route.match.WhichOneof("path_specifier") == "prefix"
    assert (route.match.prefix, route.route.cluster) == ("", NAME)


def test_the_router_filter_is_there() -> None:
    listener = listener_pb2.Listener.FromString(encode_listener(NAME))
    manager = http_connection_manager_pb2.HttpConnectionManager()
    assert listener.api_listener.api_listener.Unpack(manager)
    (http_filter,) = manager.http_filters
    assert http_filter.typed_config.Is(router_pb2.Router.DESCRIPTOR)
