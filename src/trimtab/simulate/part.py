"""What every part of a scenario file is made of."""

import math
from typing import Annotated, Any, TypeAlias

from msgspec import Meta, Struct

Positive: TypeAlias = Annotated[float, Meta(gt=0)]
NotNegative: TypeAlias = Annotated[float, Meta(ge=0)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Count: TypeAlias = Annotated[int, Meta(ge=1, le=10_000)]
Name: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of everything in a scenario: immutable, a misspelt field is an error, and so is a number without end (`.inf`, `.nan`)."""

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            if not _is_finite(getattr(self, field)):
                raise ValueError(f"`{field}`: expected finite numbers")


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    return not isinstance(value, float) or math.isfinite(value)
