"""The parts of a policy that say where calls may go, before a strategy chooses among what is left."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import PolicyError
from .schema import CODE_ONLY, check_fields, in_range, one_of
from .target import LABEL_KEY

UNMATCHED = ("fail", "any")
HOST_PORT = re.compile(r"([^][:/\s]+|\[[0-9a-fA-F:.]+\]):[1-9][0-9]{0,4}")


@dataclass(frozen=True, slots=True)
class Shards:
    """By which Pod label a service is divided, and how a request names the part it is for.

    A request that names none may go to any endpoint.
    """

    label: str = "shard"
    """Key of the Pod label whose values are the shards."""
    value: str | None = None
    """The shard of every request; None: each request names its own."""
    metadata: str = ""
    """The request metadata key, or HTTP header, that names the shard; it takes precedence over the attribute."""
    attribute: str = "shard"
    """The attribute of `trimtab.attributes` that names the shard."""
    unmatched: str = "fail"
    """What becomes of a request for a shard that no endpoint has: `fail`, or go to `any` endpoint."""
    key: Callable[[Any], object] | None = field(default=None, metadata=CODE_ONLY)
    """The shard, from the `trimtab.balance.Request`, None for any; only in code, before all others."""

    def __post_init__(self) -> None:
        check_fields(self, "policy.shards")
        if not LABEL_KEY.fullmatch(self.label):
            raise PolicyError(f"policy.shards.label: {self.label!r} is not the key of a Pod label")
        one_of("policy.shards.unmatched", self.unmatched, UNMATCHED)


@dataclass(frozen=True, slots=True)
class Subset:
    """When a client uses a part of a large fleet, and how large a part (docs/adr/0040)."""

    mode: str = "auto"
    """`auto`: where many clients share many endpoints, and none of them keeps an endpoint busy by itself. `off`: every client
    uses all endpoints, up to `max_connections`."""
    above: int = 16
    """Fleets of up to so many endpoints are used whole."""
    clients_per_endpoint: int = 10
    """How many clients are to share an endpoint: fewer see more of its load, more spread the load wider."""
    least: int = 8
    """The smallest part."""

    def __post_init__(self) -> None:
        check_fields(self, "policy.subset")
        one_of("policy.subset.mode", self.mode, ("auto", "off"))
        for name in ("above", "clients_per_endpoint", "least"):
            in_range(f"policy.subset.{name}", getattr(self, name), 1)
