"""What a caller says about a call beside its request: shard, hash key, cost."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

from ..balance.request import NO_ATTRIBUTES

current: ContextVar[Mapping[str, object]] = ContextVar("trimtab.attributes", default=NO_ATTRIBUTES)


@contextmanager
def attributes(**values: object) -> Iterator[None]:
    """Calls started inside the `with` block carry these attributes; inner blocks add to outer ones.

    Strategies read them in `Request.attributes`. Works in threads and in asyncio tasks alike.
    """
    token = current.set(MappingProxyType({**current.get(), **values}))
    try:
        yield
    finally:
        current.reset(token)
