"""The messages of gRPC's health checking protocol (grpc/doc/health-checking.md).

Our own codec because `grpcio-health-checking` pins the protobuf runtime of whoever installs it.
"""

import enum

from . import messages
from .discovery import parse

HEALTH_SERVICE = "grpc.health.v1.Health"


class ServingStatus(enum.IntEnum):
    """`grpc.health.v1.HealthCheckResponse.ServingStatus`."""

    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3
    """Of a service that is watched and not known."""


def parse_health_request(data: bytes) -> str:
    """The service that is asked about; empty: the server as a whole. Raises ProtocolError."""
    return str(parse(messages.HealthCheckRequest, data).service)


def encode_health_response(status: ServingStatus) -> bytes:
    """A HealthCheckResponse."""
    return bytes(messages.HealthCheckResponse(status=int(status)).SerializeToString())
