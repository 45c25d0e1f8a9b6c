"""`HOST:PORT` as an argument."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from ..errors import ServeError


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen. Port 0 takes any that is free."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, option: str) -> Self:
        """An address from `HOST:PORT`, IPv6 in brackets. Raises ServeError."""
        host, _, port = text.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        if not bare or not (port.isascii() and port.isdigit()) or int(port) > 65535 or (":" in bare and bare == host):
            raise ServeError(f"{option}: expected HOST:PORT such as 127.0.0.1:18000 or [::1]:18000, got {text!r}")
        return cls(bare, int(port))

    @property
    def is_ip(self) -> bool:
        """Whether the host is an address and not a name."""
        try:
            ip_address(self.host)
        except ValueError:
            return False
        return True

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
