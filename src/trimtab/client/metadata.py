"""Metadata as gRPC sends it."""

import re
from functools import lru_cache
from typing import Any

_KEY = re.compile(r"[0-9a-z_.-]+")


def doubtful(metadata: Any) -> bool:
    """Whether gRPC may refuse to send this: a key that is not of `0-9 a-z _ . -`, or a value that is not printable ASCII, nor
    bytes for a key that ends in `-bin`. Some of what is doubtful is sent all the same; what is not doubtful always is.
    """
    for key, value in metadata:
        if type(value) is str:
            if not (_legal(key) and value.isascii() and value.isprintable()):
                return True
        elif not (type(value) is bytes and _legal(key) and key.endswith("-bin")):
            return True
    return False


@lru_cache(256)
def _legal(key: object) -> bool:
    # Most keys come with every call.
    return isinstance(key, str) and _KEY.fullmatch(key) is not None
