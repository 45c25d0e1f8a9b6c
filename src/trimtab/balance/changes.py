"""What the slow path asks of whoever owns the connections."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from .node import Node


@dataclass(frozen=True, slots=True)
class Changes:
    """Nodes that came and went."""

    opened: tuple[Node, ...] = ()
    """New nodes: connect them."""
    closed: tuple[Node, ...] = ()
    """Nodes that left: retire them, their calls go on to the end."""

    @classmethod
    def joined(cls, changes: Iterable["Changes"]) -> Self:
        """Several as one."""
        all_of_them = tuple(changes)
        return cls(
            tuple(node for one in all_of_them for node in one.opened),
            tuple(node for one in all_of_them for node in one.closed),
        )

    def __bool__(self) -> bool:
        return bool(self.opened or self.closed)
