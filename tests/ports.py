"""Ports that are nobody else's, also while nobody listens there."""

import socket
from typing import Self


class HeldPort:
    """A port of 127.0.0.1 that is bound here, without listening: connections are refused until somebody else listens.

    Servers that set SO_REUSEADDR, which is all of them but on Windows, may bind it beside this, again and again.
    """

    def __init__(self) -> None:
        self._bound = socket.socket()
        self._bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._bound.bind(("127.0.0.1", 0))
        self.port: int = self._bound.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"

    def release(self) -> None:
        """Anybody may have it now; again is harmless."""
        self._bound.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()
