"""A client's place among all clients of a service."""

from dataclasses import dataclass
from math import sqrt
from typing import Self
from zlib import crc32

_GOLDEN = (sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class Seat:
    """Which of a service's clients this one is: by it the client chooses its part of a large fleet."""

    index: int
    """Counted from 0; clients that come take the lowest that is free, so there are few gaps."""
    clients: int
    """How many there are, about."""
    phase: float = 0.0
    """Clients of different zones are counted apart, and each zone begins elsewhere on the ring: from 0 to 1."""

    @classmethod
    def among(cls, zone: str, index: int, clients: int) -> Self:
        """The seat with this number of a client zone, where there are so many clients in all zones together."""
        return cls(index, clients, crc32(zone.encode()) / (1 << 32))

    @property
    def position(self) -> float:
        """Where on the ring of endpoints the client's part begins, from 0 to 1.

        Multiples of the golden ratio modulo 1: the first n of them are about evenly spaced for every n (three-gap theorem), so
        clients keep their positions while others come and go.
        """
        return (self.phase + self.index * _GOLDEN) % 1
