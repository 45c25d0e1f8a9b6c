"""The service of the demonstration: one unary method, and what a request asks of whoever serves it."""

import struct
from dataclasses import dataclass
from typing import ClassVar, Final

NAME: Final = "shop"
NAMESPACE: Final = "demo"
PORT: Final = 50051
TARGET: Final = f"{NAME}.{NAMESPACE}:{PORT}"
"""The name clients use for the service."""

GRPC_SERVICE: Final = "demo.Shop"
GRPC_METHOD: Final = "PlaceOrder"

_LAYOUT = struct.Struct("!d?")


@dataclass(frozen=True, slots=True)
class Order:
    """One request. The work travels with it, so that it is the same work whichever pod gets it."""

    demand_s: float
    """How long a pod of normal speed takes to serve it."""
    measured: bool
    """False while everyone warms up."""

    SIZE: ClassVar = _LAYOUT.size
    """In bytes."""

    def encode(self) -> bytes:
        return _LAYOUT.pack(self.demand_s, self.measured)

    @classmethod
    def decode(cls, data: bytes) -> "Order":
        return cls(*_LAYOUT.unpack(data))
