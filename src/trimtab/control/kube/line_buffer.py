"""Bytes in, lines out. No I/O."""


class LineBuffer:
    """Puts the lines of a stream together, wherever it was cut into chunks."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes, without their ends; empty lines are left out."""
        head, newline, tail = chunk.rpartition(b"\n")
        if not newline:
            self._parts.append(chunk)
            return []
        complete = b"".join((*self._parts, head))
        self._parts = [tail] if tail else []
        return [line for line in complete.split(b"\n") if line.strip()]
