"""Frozen dataclasses from plain mappings and back, with errors that name the field.

The same schema is read from an annotation, a config file and an xDS TypedStruct; so there is one reader, and its messages are
the same everywhere.
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from ..errors import PolicyError

T = TypeVar("T")

_EXPECTED = {int: "an integer", float: "a number", str: "a string", bool: "true or false"}


def from_mapping(schema: type[T], value: object, path: str) -> T:
    """A `schema` dataclass from a mapping such as YAML or JSON gives. Raises PolicyError naming the field."""
    if not isinstance(value, Mapping):
        raise PolicyError(f"{path}: expected a mapping of fields, got {value!r}")
    fields = typing.get_type_hints(schema)
    for name in value:
        if name not in fields:
            raise PolicyError(f"{path}.{name}: there is no such field; {_suggest(str(name), list(fields))}")
    return schema(**{name: _convert(fields[name], item, f"{path}.{name}") for name, item in value.items()})


def to_mapping(value: Any) -> dict[str, Any]:
    """The fields of a schema dataclass that differ from their defaults, as plain values."""
    plain = {}
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if item != field.default:
            plain[field.name] = to_mapping(item) if dataclasses.is_dataclass(item) else item
    return plain


def in_range(path: str, value: float, low: float, high: float = float("inf")) -> None:
    """Raises PolicyError unless `low <= value <= high`."""
    if not low <= value <= high:
        bounds = f"at least {low}" if high == float("inf") else f"between {low} and {high}"
        raise PolicyError(f"{path}: expected a number {bounds}, got {value}")


def _convert(hint: Any, value: object, path: str) -> object:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if value is None and type(None) in options:
        return None
    kind = next(option for option in options if option is not type(None))
    if dataclasses.is_dataclass(kind):
        return from_mapping(typing.cast(type[Any], kind), value, path)
    # Numbers that crossed a protobuf Struct come back as floats; bool is an int only to Python.
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise PolicyError(f"{path}: expected {_EXPECTED[kind]}, got {value!r}")
    return value


def _suggest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
