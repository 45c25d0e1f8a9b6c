"""What replicas of the control plane tell each other of since when the endpoints of one service are ready: values ⇄ resources."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from types import MappingProxyType
from typing import NamedTuple

from ..errors import ProtocolError
from . import messages
from .discovery import parse
from .resource import Resource

Identity = tuple[str, int, str]
"""Address, port and Pod uid (`model.Endpoint.identity`)."""
_TEXT_MAX = 253
"""Characters of an address or a uid: no object in Kubernetes has a longer name, and what is heard is kept."""


class Sighting(NamedTuple):
    """Somebody saw an endpoint become ready. Of two, the greater holds (docs/adr/0044)."""

    absent_until: float
    """Until when they had seen that it was not there, in Unix seconds; 0: they had not."""
    ready_since: float
    """Unix seconds."""


def _nothing() -> Mapping[Identity, Sighting]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ServiceReadiness:
    """One replica's knowledge. Without a replica it says that there is none any more."""

    replica: str = ""
    """Who says so."""
    sightings: Mapping[Identity, Sighting] = field(default_factory=_nothing)


def encode_readiness(readiness: ServiceReadiness) -> Resource:
    """The resource without its name, which is the service's."""
    addresses, ports, uids = zip(*readiness.sightings, strict=True) if readiness.sightings else ((), (), ())
    absent, since = zip(*readiness.sightings.values(), strict=True) if readiness.sightings else ((), ())
    message = messages.ServiceReadiness(
        replica=readiness.replica, addresses=addresses, ports=ports, uids=uids, absent_until=absent, ready_since=since
    )
    body = bytes(message.SerializeToString(deterministic=True))
    # Of the bytes: nobody compares it with the version of another replica, which has another name in it.
    return Resource(blake2b(body, digest_size=8).hexdigest(), body)


def decode_readiness(data: bytes, version: str = "") -> tuple[str, ServiceReadiness]:
    """A service and what is known of its endpoints. Raises ProtocolError."""
    message = parse(messages.ServiceReadiness, data)
    addresses, ports, uids = message.addresses, message.ports, message.uids
    absent, since = message.absent_until, message.ready_since
    if len({len(column) for column in (addresses, ports, uids, absent, since)}) > 1:
        raise ProtocolError(f"readiness of {message.service!r}: columns of different length")
    if any(len(said) > _TEXT_MAX for column in (addresses, uids) for said in column):
        raise ProtocolError(f"readiness of {message.service!r}: an address or uid of more than {_TEXT_MAX} characters")
    # A sum is finite if all of it is.
    if not math.isfinite(sum(map(abs, absent)) + sum(map(abs, since))):
        raise ProtocolError(f"readiness of {message.service!r}: a time that is none")
    identities = zip(addresses, ports, uids, strict=True)
    sightings = dict(zip(identities, map(Sighting, absent, since), strict=True))
    return message.service, ServiceReadiness(message.replica, sightings)
