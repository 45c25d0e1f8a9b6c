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
    if len(resources) == 1:
        # Most responses are about one change, and many streams get the same one.
        ((name, resource),) = resources.items()
        return contents_of_one(type_url, name, resource, entry)
    return _made(type_url, resources, entry)


def contents_of_one(type_url: str, name: str, resource: Resource, entry: Entry) -> tuple[str, bytes]:
    """The same for one resource."""
    return _kept(type_url, name, resource.version, resource.body, entry)


def _made(type_url: str, resources: Mapping[str, Resource], entry: Entry) -> tuple[str, bytes]:
    version = combined_version((name, resource.version) for name, resource in resources.items())
    entries = (entry(type_url, name, resource) for name, resource in resources.items())
    return version, encode_contents(type_url, version, entries)


@lru_cache(maxsize=_KEPT)
def _kept(type_url: str, name: str, version: str, body: bytes, entry: Entry) -> tuple[str, bytes]:
    # By strings and bytes, which know their hashes.
    return _made(type_url, {name: Resource(version, body)}, entry)
