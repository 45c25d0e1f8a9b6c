"""What a picker may know about the call it picks for."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

Metadata = Sequence[tuple[str, str | bytes]]

NO_METADATA: Metadata = ()
NO_ATTRIBUTES: Mapping[str, object] = MappingProxyType({})


class Request:
    """One call's context: choosing by what the application knows is why a client balances at all."""

    __slots__ = ("attributes", "metadata", "method")

    def __init__(
        self,
        method: str,
        metadata: Metadata = NO_METADATA,
        attributes: Mapping[str, object] = NO_ATTRIBUTES,
    ) -> None:
        self.method = method
        """Full method name, `/package.Service/Method`."""
        self.metadata = metadata
        self.attributes = attributes
        """What the caller said beside the call: shard, hash key, cost."""

    def __repr__(self) -> str:
        return f"<Request {self.method} {dict(self.attributes)}>"
