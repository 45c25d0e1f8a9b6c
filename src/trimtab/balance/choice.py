"""Why a request went where it went."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

from .node import Node
from .request import Request


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node that was looked at, as it stood in that moment."""

    node: Node
    load: float
    score: float


@dataclass(frozen=True, slots=True)
class Choice:
    """One pick, explained."""

    node: Node
    candidates: tuple[Candidate, ...]
    """Empty where the strategy does not tell."""
    why: str

    @classmethod
    def of(cls, node: Node, candidates: Sequence[Node], why: str) -> Self:
        """The choice of `node` among `candidates` as they stand now."""
        return cls(node, tuple(Candidate(item, item.load, item.score) for item in candidates), why)


@runtime_checkable
class Explaining(Protocol):
    """A picker that can say why. It is asked instead of `pick` while somebody traces."""

    def explain(self, request: Request) -> Choice:
        """The node for this request, and why."""
        ...


def explained(picker: object, request: Request) -> Choice:
    """What `picker` picks for `request`, with the reason as far as it tells."""
    if isinstance(picker, Explaining):
        return picker.explain(request)
    node: Node = picker.pick(request)  # type: ignore[attr-defined]  # every picker has it
    return Choice(node, (), "the strategy does not say")
