"""The listener a proxyless gRPC client asks for first: `xds:///NAME` wants a Listener called NAME (gRFC A27)."""

from . import messages
from .messages import type_url


def encode_listener(name: str) -> bytes:
    """A Listener without its name: every call goes to the cluster of the same name.

    The route is inline, which saves the client a round trip, and the router filter is there because gRPC refuses a
    connection manager without one (gRFC A39).
    """
    manager = messages.HttpConnectionManager(stat_prefix=name)
    route_config = manager.route_config
    route_config.name = name
    host = route_config.virtual_hosts.add(name=name, domains=["*"])
    route = host.routes.add()
    route.match.prefix = ""
    route.route.cluster = name
    router = manager.http_filters.add(name="envoy.filters.http.router")
    router.typed_config.type_url = type_url(messages.Router)
    listener = messages.Listener()
    listener.api_listener.api_listener.type_url = type_url(messages.HttpConnectionManager)
    listener.api_listener.api_listener.value = manager.SerializeToString(deterministic=True)
    return bytes(listener.SerializeToString(deterministic=True))
