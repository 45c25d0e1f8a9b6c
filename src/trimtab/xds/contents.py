"""What a response says to every stream alike: made once, then sent to each with a nonce of its own."""

from collections.abc import Callable, Mapping
from functools import lru_cache

from .discovery import encode_contents
from .resource import Resource
from .version import combined_version

Entry = Callable[[str, str, Resource], bytes]
"""Encodes one entry of a dialect's `resources` from type URL, name and resource."""

_KEPT = 128
"""How many are kept: a change is pushed within moments, under a few names and to a few zones."""


def contents(type_url: str, resources: Mapping[str, Resource], entry: Entry) -> tuple[str, bytes]:
    """The version of a response with these resources, and all of it but what is one stream's own."""
    items = tuple(resources.items())
    # Most responses are about one change, and many streams get the same one.
    return (_kept if len(items) == 1 else _made)(type_url, items, entry)


def _made(type_url: str, items: tuple[tuple[str, Resource], ...], entry: Entry) -> tuple[str, bytes]:
    version = combined_version((name, resource.version) for name, resource in items)
    return version, encode_contents(type_url, version, (entry(type_url, name, resource) for name, resource in items))


_kept = lru_cache(maxsize=_KEPT)(_made)
