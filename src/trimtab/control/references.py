"""Which services have endpoints on a Node or in a Pod: what is to be joined anew when that changes."""

from collections import Counter, defaultdict
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)
ServiceKey = tuple[str, str]
"""Namespace and name."""


class References(Generic[T]):
    """Counted, because several endpoints may refer to one object; what nobody refers to is forgotten."""

    def __init__(self) -> None:
        self._services: defaultdict[T, Counter[ServiceKey]] = defaultdict(Counter)

    def count(self, target: T, service: ServiceKey, step: int) -> None:
        """So many more endpoints of a service refer to the object; negative: fewer."""
        services = self._services[target]
        services[service] += step
        if not services[service]:
            del services[service]
        if not services:
            del self._services[target]

    def to(self, target: T) -> set[ServiceKey]:
        """The services that refer to the object."""
        return set(self._services.get(target, ()))

    def __len__(self) -> int:
        return len(self._services)
