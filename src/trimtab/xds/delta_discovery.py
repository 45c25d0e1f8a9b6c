"""The envelope of incremental xDS, as values (`envoy.service.discovery.v3.Delta…`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from . import messages
from .discovery import (
    INVALID_ARGUMENT,
    ClientNode,
    ResourceError,
    decode_node,
    encode_any,
    encode_error,
    encode_node,
    parse,
)
from .wire import delimited, text


@dataclass(frozen=True, slots=True)
class DeltaRequest:
    """A change of subscription, an ACK or a NACK, in any combination."""

    type_url: str
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial_versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """On the first request of a type after a reconnect: what the client still holds, by name."""
    nonce: str = ""
    error: str | None = None
    """Why the response with `nonce` was refused; None: it was not."""
    node: ClientNode | None = None

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Decode a request. Raises ProtocolError."""
        message = parse(messages.DeltaDiscoveryRequest, data)
        return cls(
            type_url=message.type_url,
            subscribe=tuple(message.resource_names_subscribe),
            unsubscribe=tuple(message.resource_names_unsubscribe),
            initial_versions=MappingProxyType(dict(message.initial_resource_versions)),
            nonce=message.response_nonce,
            error=message.error_detail.message if message.HasField("error_detail") else None,
            node=decode_node(message.node) if message.HasField("node") else None,
        )

    def serialize(self) -> bytes:
        """The request on the wire."""
        message = messages.DeltaDiscoveryRequest(
            type_url=self.type_url,
            resource_names_subscribe=self.subscribe,
            resource_names_unsubscribe=self.unsubscribe,
            initial_resource_versions=dict(self.initial_versions),
            response_nonce=self.nonce,
        )
        if self.error is not None:
            message.error_detail.code = INVALID_ARGUMENT
            message.error_detail.message = self.error
        if self.node is not None:
            encode_node(self.node, message.node)
        return bytes(message.SerializeToString())


def encode_ack(type_url: str, nonce: str) -> bytes:
    """A request that says nothing but that a response is accepted, as protobuf writes it."""
    return text(2, type_url) + text(6, nonce)


def encode_delta_resource(type_url: str, name: str, version: str, body: bytes) -> bytes:
    """One entry of a delta response's `resources`: a Resource around the body, which is encoded without its name."""
    resource = encode_any(type_url, name, body)
    return delimited(2, text(1, version) + delimited(2, resource) + text(3, name))


def encode_removed(name: str) -> bytes:
    """One entry of a delta response's `removed_resources`."""
    return delimited(6, name.encode())


def encode_delta_error(error: ResourceError) -> bytes:
    """One entry of a delta response's `resource_errors`."""
    return encode_error(error, 9)
