"""A look at what goes over a connection, and a hand on it: a TCP relay in front of a port of this machine."""

import socket
import threading
from typing import Self


class Tap:
    """Relays connections to `target` and records what clients send; `cut` resets them all."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._sent = bytearray()
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def upstream(self) -> bytes:
        """Everything that clients have sent."""
        with self._lock:
            return bytes(self._sent)

    def cut(self) -> None:
        """Break every connection there is."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for one in sockets:
            # Wakes whoever reads from it, which closing alone does not.
            _shut(one)

    def close(self) -> None:
        _shut(self._listener)
        self._listener.close()
        self.cut()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            with self._lock:
                self.accepted += 1
                self._sockets += [client, server]
            threading.Thread(target=self._relay, args=(client, server, self._sent), daemon=True).start()
            threading.Thread(target=self._relay, args=(server, client, bytearray()), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket, record: bytearray) -> None:
        try:
            while data := source.recv(65536):
                with self._lock:
                    record += data
                sink.sendall(data)
        except OSError:
            pass
        finally:
            _shut(sink)
            source.close()


def _shut(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
