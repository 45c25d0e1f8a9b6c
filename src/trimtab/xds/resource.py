"""What a server has to offer, and to whom."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Protocol

from .dialect import Dialect
from .discovery import ClientNode


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource at one version, encoded without its name."""

    version: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Audience:
    """What it is about a client that makes its resources differ from another's."""

    namespace: str = "default"
    """Where a bare service name is looked up."""
    dialect: Dialect = Dialect.GRPC
    zone: str = ""
    """Where the client runs; empty: unknown."""
    node: str = ""
    """The Kubernetes Node it runs on; empty: unknown."""
    client: str = ""
    """Which client it is: makes a difference only to what is about it alone."""


class Resources(Protocol):
    """What a stream asks of whoever holds the resources."""

    def audience(self, node: ClientNode) -> Audience:
        """What of this client makes a difference."""
        ...

    def subject(self, type_url: str, name: str, audience: Audience) -> Hashable | None:
        """What changes of the resource called `name` are announced under; None: such a name can never mean anything."""
        ...

    def get(self, type_url: str, name: str, audience: Audience) -> Resource | None:
        """The resource as it is now."""
        ...

    def all_names(self, type_url: str) -> Iterable[str]:
        """What a wildcard subscription gets."""
        ...

    def name_of(self, type_url: str, subject: Hashable) -> str | None:
        """The name under which a wildcard subscription to a type gets this subject; None: under none."""
        ...

    def why_missing(self, name: str, audience: Audience) -> str:
        """A sentence that helps whoever asked for `name` in vain."""
        ...
