"""How much the streams of one connection may follow together: each is bounded by itself, and there may be sixteen."""

from ..errors import LimitExceeded

NAMES_MAX = 100_000
"""Twice what one subscription may hold: a stream of everything may follow one that has yet to end."""
NAMES_SIZE_MAX = 32 << 20
"""How many characters they may have together."""


class Allowance:
    """What the streams of one connection follow by name, of any type."""

    __slots__ = ("__weakref__", "_names", "_size")

    def __init__(self) -> None:
        self._names = 0
        self._size = 0

    def take(self, names: int, size: int) -> None:
        """So many names more, or fewer, with so many characters; they count until they are given back.

        Raises LimitExceeded.
        """
        self._names += names
        self._size += size
        if names > 0 and self._names > NAMES_MAX:
            raise LimitExceeded(f"more than {NAMES_MAX} names on the streams of one connection; {_ADVICE}")
        if size > 0 and self._size > NAMES_SIZE_MAX:
            raise LimitExceeded(
                f"names with more than {NAMES_SIZE_MAX} characters on the streams of one connection; {_ADVICE}"
            )


_ADVICE = "ask for everything (`*`), or end streams that are done with"
