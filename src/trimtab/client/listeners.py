"""Who wants to hear of which service."""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Listeners(Generic[T]):
    """By name, in the order in which they came. Whoever uses it keeps others out meanwhile."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[Callable[[T], object]]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def add(self, name: str, listener: Callable[[T], object]) -> None:
        """Tell `listener` of `name` from now on."""
        self._by_name.setdefault(name, []).append(listener)

    def remove(self, name: str, listener: Callable[[T], object]) -> bool:
        """Tell `listener` no more; whether it was the last one of `name`."""
        listeners = self._by_name.get(name, [])
        if listener not in listeners:
            return False
        listeners.remove(listener)
        if not listeners:
            del self._by_name[name]
        return not listeners

    def tell(self, name: str, news: T) -> None:
        """Tell everybody who listens to `name`."""
        for listener in tuple(self._by_name.get(name, ())):
            listener(news)
