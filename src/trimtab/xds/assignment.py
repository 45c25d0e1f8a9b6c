"""Assignment ⇄ ClusterLoadAssignment."""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from google.protobuf.message import DecodeError

from ..errors import ProtocolError
from ..model import Assignment, Endpoint, Health, Labels, Locality, LocalityEndpoints
from . import messages
from .wire import delimited, varint

METADATA_KEY = "trimtab.dev"
"""Key of the endpoint metadata that only Trimtab clients read."""
LABELS_KEY = "envoy.lb"
"""Key of the endpoint metadata by which Envoy and others choose a subset."""

_TO_WIRE = {
    Health.HEALTHY: messages.HealthStatus["HEALTHY"].number,
    Health.DRAINING: messages.HealthStatus["DRAINING"].number,
    Health.UNHEALTHY: messages.HealthStatus["UNHEALTHY"].number,
}
_LB_ENDPOINTS = 2
"""Number of LocalityLbEndpoints.lb_endpoints."""
_ENDPOINTS_KEY = b"\x12"
"""Number 2 of ClusterLoadAssignment, `endpoints`, before something of a length."""
# UNKNOWN counts as healthy; TIMEOUT and DEGRADED are skipped, as gRPC does (gRFC A27).
_FROM_WIRE = defaultdict(
    lambda: Health.UNHEALTHY,
    {0: Health.HEALTHY, **{number: health for health, number in _TO_WIRE.items()}},
)


def encode_body(assignment: Assignment) -> bytes:
    """The ClusterLoadAssignment without its cluster_name, which `encode_resource` puts in front.

    Every locality carries a weight: gRPC accepts a locality without one and then ignores it silently.
    """
    message = messages.ClusterLoadAssignment()
    for group in assignment.localities:
        locality = message.endpoints.add(priority=group.priority)
        locality.load_balancing_weight.value = group.weight
        # gRPC refuses a locality that is absent, not one that is empty.
        locality.locality.SetInParent()
        locality.locality.region = group.locality.region
        locality.locality.zone = group.locality.zone
        locality.locality.sub_zone = group.locality.sub_zone
        for endpoint in group.endpoints:
            _encode_endpoint(endpoint, locality.lb_endpoints.add())
    return bytes(message.SerializeToString(deterministic=True))


def encode_endpoints(endpoints: Iterable[Endpoint]) -> Iterator[bytes]:
    """Each endpoint apart, as `encode_locality` joins them."""
    for endpoint in endpoints:
        message = messages.LbEndpoint()
        _encode_endpoint(endpoint, message)
        yield delimited(_LB_ENDPOINTS, message.SerializeToString(deterministic=True))


def encode_locality(
    locality: Locality, weight: int, priority: int, endpoints: Sequence[bytes | memoryview]
) -> tuple[bytes | memoryview, ...]:
    """One locality as `encode_body` has it, in pieces to be joined: what it says is endpoints encoded before, however many."""
    place, standing = _encode_place(locality), _encode_standing(weight, priority)
    size = len(place) + sum(map(len, endpoints)) + len(standing)
    return (_ENDPOINTS_KEY, varint(size), place, *endpoints, standing)


@lru_cache(maxsize=1024)
def _encode_place(locality: Locality) -> bytes:
    message = messages.LocalityLbEndpoints()
    message.locality.SetInParent()
    message.locality.region = locality.region
    message.locality.zone = locality.zone
    message.locality.sub_zone = locality.sub_zone
    return bytes(message.SerializeToString(deterministic=True))


@lru_cache(maxsize=1024)
def _encode_standing(weight: int, priority: int) -> bytes:
    message = messages.LocalityLbEndpoints(priority=priority)
    message.load_balancing_weight.value = weight
    return bytes(message.SerializeToString(deterministic=True))


def _encode_endpoint(endpoint: Endpoint, message: Any) -> None:
    message.health_status = _TO_WIRE[endpoint.health]
    message.load_balancing_weight.value = endpoint.weight
    message.endpoint.hostname = endpoint.hostname
    _encode_address(endpoint.address, endpoint.port, message.endpoint.address)
    for address in endpoint.additional_addresses:
        _encode_address(address, endpoint.port, message.endpoint.additional_addresses.add().address)
    labels = message.metadata.filter_metadata[LABELS_KEY].fields if endpoint.labels else {}
    for key, value in endpoint.labels:
        labels[key].string_value = value
    if endpoint.uid:
        message.metadata.filter_metadata[METADATA_KEY].fields["uid"].string_value = endpoint.uid
    if endpoint.origin:
        message.metadata.filter_metadata[METADATA_KEY].fields["origin"].string_value = endpoint.origin
    if endpoint.ready_since is not None:
        message.metadata.filter_metadata[METADATA_KEY].fields["ready_since"].number_value = endpoint.ready_since


def _encode_address(address: str, port: int, message: Any) -> None:
    message.socket_address.address = address
    message.socket_address.port_value = port


def decode_assignment(data: bytes, version: str = "") -> Assignment:
    """The assignment in an encoded ClusterLoadAssignment. Raises ProtocolError for what gRPC would NACK too."""
    try:
        message = messages.ClusterLoadAssignment.FromString(data)
    except DecodeError as error:
        raise ProtocolError(f"{len(data)} bytes that are not a ClusterLoadAssignment: {error}") from error
    if not message.cluster_name:
        raise ProtocolError("ClusterLoadAssignment without cluster_name")
    seen: set[tuple[str, int]] = set()
    groups = []
    for group in message.endpoints:
        endpoints = tuple(_decode_endpoint(endpoint, message.cluster_name) for endpoint in group.lb_endpoints)
        for endpoint in endpoints:
            if (endpoint.address, endpoint.port) in seen:
                raise ProtocolError(f"{message.cluster_name}: {endpoint.authority} is listed twice")
            seen.add((endpoint.address, endpoint.port))
        # A locality of weight 0 or without weight takes no traffic (gRFC A27).
        if group.load_balancing_weight.value:
            locality = Locality(group.locality.region, group.locality.zone, group.locality.sub_zone)
            weight = group.load_balancing_weight.value
            groups.append(LocalityEndpoints(locality, endpoints, weight, group.priority))
    return Assignment(message.cluster_name, tuple(groups), version)


def _decode_endpoint(message: Any, cluster: str) -> Endpoint:
    address, port = _decode_address(message.endpoint.address, cluster)
    if message.HasField("load_balancing_weight") and not message.load_balancing_weight.value:
        raise ProtocolError(f"{cluster}: endpoint {address}:{port} has weight 0")
    metadata = message.metadata.filter_metadata
    # Looking a key up in a protobuf map would create it.
    own = metadata[METADATA_KEY].fields if METADATA_KEY in metadata else {}
    return Endpoint(
        address=address,
        port=port,
        health=_FROM_WIRE[message.health_status],
        weight=message.load_balancing_weight.value or 1,
        additional_addresses=tuple(
            _decode_address(more.address, cluster)[0] for more in message.endpoint.additional_addresses
        ),
        hostname=message.endpoint.hostname,
        uid=own["uid"].string_value if "uid" in own else "",
        ready_since=own["ready_since"].number_value if "ready_since" in own else None,
        origin=own["origin"].string_value if "origin" in own else "",
        labels=_decode_labels(metadata[LABELS_KEY].fields) if LABELS_KEY in metadata else (),
    )


def _decode_labels(fields: Any) -> Labels:
    return tuple(
        (key, fields[key].string_value) for key in sorted(fields) if fields[key].WhichOneof("kind") == "string_value"
    )


def _decode_address(message: Any, cluster: str) -> tuple[str, int]:
    address, port = message.socket_address.address, message.socket_address.port_value
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise ProtocolError(f"{cluster}: endpoint address {address!r} is not an IP address") from None
    if not 1 <= port <= 65535:
        raise ProtocolError(f"{cluster}: endpoint {address} has port {port}, not between 1 and 65535")
    return address, port
