"""The seat of one client, as a resource: value ⇄ bytes. Also how a client says which seats it has when it connects again."""

from collections.abc import Mapping

from ..model import Seat
from . import messages
from .discovery import parse
from .resource import Resource
from .version import content_version

HELD_KEY = "TRIMTAB_SEATS"
"""Key of the node's metadata: `SERVICE=INDEX` for each seat, separated by blanks."""
_INDEX_DIGITS = 10
"""A seat number has no more: it is a number of 32 bits."""


def encode_seat(seat: Seat) -> Resource:
    """The resource without its name, which is the service's."""
    message = messages.Seat(index=seat.index, clients=seat.clients, phase=seat.phase)
    return Resource(content_version(seat), bytes(message.SerializeToString(deterministic=True)))


def decode_seat(data: bytes, version: str = "") -> tuple[str, Seat]:
    """The service and the seat. Raises ProtocolError."""
    message = parse(messages.Seat, data)
    return message.service, Seat(message.index, message.clients, message.phase)


def encode_held(seats: Mapping[str, Seat]) -> str:
    """What a client that connects again says of the seats it was given before."""
    return " ".join(f"{service}={seat.index}" for service, seat in seats.items())


def decode_held(text: str) -> dict[str, int]:
    """Seat numbers by service; what makes no sense is left out."""
    parts = (part.rpartition("=") for part in text.split())
    return {service: int(index) for service, _, index in parts if service and _is_index(index)}


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _INDEX_DIGITS
