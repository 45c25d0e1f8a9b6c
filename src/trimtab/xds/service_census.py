"""What replicas of the control plane tell each other about the clients of one service: values ⇄ resources."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ..errors import ProtocolError, TargetError
from ..model import ServiceRef
from . import messages
from .discovery import parse
from .resource import Resource
from .version import content_version


def _nothing() -> Mapping[str, int]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ServiceCensus:
    """One replica's knowledge. Without a replica it says that there is none any more."""

    replica: str = ""
    """Who says so."""
    clients: Mapping[str, int] = field(default_factory=_nothing)
    """Clients connected to this replica by zone, those of unknown zone under an empty string."""
    shares: Mapping[str, int] = field(default_factory=_nothing)
    """What this replica computes zone weights from; empty: nothing is published yet."""


def encode_census(census: ServiceCensus) -> Resource:
    """The resource without its name, which is the service's."""
    message = messages.ServiceCensus(replica=census.replica, clients=census.clients, shares=census.shares)
    version = content_version(census.replica, sorted(census.clients.items()), sorted(census.shares.items()))
    return Resource(version, bytes(message.SerializeToString(deterministic=True)))


def decode_census(data: bytes, version: str = "") -> tuple[str, ServiceCensus]:
    """A service and what is known of its clients. Raises ProtocolError."""
    message = parse(messages.ServiceCensus, data)
    try:
        ServiceRef.parse(message.service)
    except TargetError as error:
        raise ProtocolError(f"census of what is no service: {error}") from error
    if message.shares and not all(message.shares.values()):
        raise ProtocolError(f"census of {message.service!r}: a zone without a share")
    return message.service, ServiceCensus(message.replica, dict(message.clients), dict(message.shares))
