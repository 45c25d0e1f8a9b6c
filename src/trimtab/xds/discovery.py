"""The envelope of xDS: what a client asks and a server answers, as values.

Field numbers are those of `envoy.service.discovery.v3`; the rules they serve are in Envoy's `xds_protocol` page.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Self

from google.protobuf.message import DecodeError

from ..errors import ProtocolError
from ..model import Locality
from . import messages
from .identifier import Identifier, read_identifier
from .wire import delimited, text

NOT_FOUND = 5
"""`google.rpc.Code.NOT_FOUND`."""
INVALID_ARGUMENT = 3
"""`google.rpc.Code.INVALID_ARGUMENT`."""
_TEXT_KEPT = 1_000
"""Characters of each thing that a client says of itself: it is shown and logged."""


@dataclass(frozen=True, slots=True)
class ClientNode:
    """Who is asking (`envoy.config.core.v3.Node`)."""

    id: str = ""
    cluster: str = ""
    locality: Locality = field(default_factory=Locality)
    user_agent: str = ""
    user_agent_version: str = ""
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The string-valued part of the node's metadata, such as NAMESPACE and NODE_NAME."""


@dataclass(frozen=True, slots=True)
class DiscoveryRequest:
    """A subscription, an ACK or a NACK: state of the world, so `names` is always the whole subscription of its type."""

    type_url: str
    names: tuple[str, ...] = ()
    version: str = ""
    nonce: str = ""
    error: str | None = None
    """Why the response with `nonce` was refused; None: it was not."""
    node: ClientNode | None = None
    encoded: bytes = field(default=b"", compare=False, repr=False)
    """The bytes it was decoded from."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Decode a request. Raises ProtocolError."""
        message = parse(messages.DiscoveryRequest, data)
        return cls(
            type_url=message.type_url,
            names=tuple(message.resource_names),
            version=message.version_info,
            nonce=message.response_nonce,
            error=message.error_detail.message if message.HasField("error_detail") else None,
            node=decode_node(message.node) if message.HasField("node") else None,
            encoded=data,
        )

    def serialize(self) -> bytes:
        """The request on the wire."""
        message = messages.DiscoveryRequest(
            type_url=self.type_url,
            resource_names=self.names,
            version_info=self.version,
            response_nonce=self.nonce,
        )
        if self.error is not None:
            message.error_detail.code = INVALID_ARGUMENT
            message.error_detail.message = self.error
        if self.node is not None:
            encode_node(self.node, message.node)
        return bytes(message.SerializeToString())


@dataclass(frozen=True, slots=True)
class ResourceError:
    """Why a resource that was asked for cannot be had (xDS `resource_errors`, gRFC A88)."""

    name: str
    code: int
    message: str


@dataclass(frozen=True, slots=True)
class DiscoveryResponse:
    """What a client receives: encoded resources of one type, and errors for those that cannot be had."""

    type_url: str
    version: str
    nonce: str
    resources: tuple[tuple[str, bytes], ...] = ()
    """Type URL and encoded body of each resource."""
    errors: tuple[ResourceError, ...] = ()
    said: Identifier | None = None
    """What the control plane says beside the resources; None: nothing."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Decode a response. Raises ProtocolError."""
        message = parse(messages.DiscoveryResponse, data)
        return cls(
            type_url=message.type_url,
            version=message.version_info,
            nonce=message.nonce,
            resources=tuple((r.type_url, r.value) for r in message.resources),
            errors=tuple(
                ResourceError(e.resource_name.name, e.error_detail.code, e.error_detail.message)
                for e in message.resource_errors
            ),
            said=read_identifier(message.control_plane.identifier),
        )


def encode_resource(type_url: str, name: str, body: bytes) -> bytes:
    """One entry of a response's `resources`: the body, encoded without its name, under `name`.

    Every resource type of xDS v3 that Trimtab serves has its name in field 1.
    """
    return delimited(2, encode_any(type_url, name, body))


def encode_any(type_url: str, name: str, body: bytes) -> bytes:
    """A `google.protobuf.Any` that holds the body under `name`."""
    return text(1, type_url) + delimited(2, text(1, name) + body)


def encode_contents(type_url: str, version: str, resources: Iterable[bytes]) -> bytes:
    """What a response of either dialect says to every stream alike."""
    return b"".join((encode_version(version), text(4, type_url), *resources))


@lru_cache(maxsize=128)
def encode_version(version: str) -> bytes:
    """The version in a response of either dialect, and in a state-of-the-world request."""
    return text(1, version)


# Streams that follow the same count alike.
@lru_cache(maxsize=1024)
def encode_nonce(nonce: str) -> bytes:
    """The nonce in a response of either dialect, and in a state-of-the-world request."""
    return text(5, nonce)


def encode_error(error: ResourceError, number: int = 7) -> bytes:
    """One entry of a response's `resource_errors`, which have another field number in incremental xDS."""
    # One byte suffices for the code: google.rpc.Code ends at 16.
    status = b"\x08" + bytes([error.code]) + text(2, error.message)
    return delimited(number, delimited(1, text(1, error.name)) + delimited(2, status))


def parse(message_class: Any, data: bytes) -> Any:
    """A message of the private pool from bytes. Raises ProtocolError."""
    try:
        return message_class.FromString(data)
    except DecodeError as error:
        name = message_class.DESCRIPTOR.name
        raise ProtocolError(f"{len(data)} bytes that are not a {name}: {error}") from error


def decode_node(node: Any) -> ClientNode:
    """The part of a Node message that Trimtab reads."""
    strings = {
        key: value.string_value
        for key, value in node.metadata.fields.items()
        if value.WhichOneof("kind") == "string_value"
    }
    return ClientNode(
        id=node.id[:_TEXT_KEPT],
        cluster=node.cluster[:_TEXT_KEPT],
        locality=Locality(node.locality.region, node.locality.zone, node.locality.sub_zone),
        user_agent=node.user_agent_name[:_TEXT_KEPT],
        user_agent_version=node.user_agent_version[:_TEXT_KEPT] or _build_version(node.user_agent_build_version),
        metadata=MappingProxyType(strings),
    )


def _build_version(message: Any) -> str:
    """What Envoy sends instead of a plain version."""
    version = message.version
    return f"{version.major_number}.{version.minor_number}.{version.patch}" if message.HasField("version") else ""


def encode_node(node: ClientNode, message: Any) -> None:
    """Fill a Node message."""
    message.id = node.id
    message.cluster = node.cluster
    message.user_agent_name = node.user_agent
    message.user_agent_version = node.user_agent_version
    if node.locality != Locality():
        message.locality.region = node.locality.region
        message.locality.zone = node.locality.zone
        message.locality.sub_zone = node.locality.sub_zone
    for key, value in node.metadata.items():
        message.metadata.fields[key].string_value = value
