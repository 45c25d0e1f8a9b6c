"""Frozen dataclasses from plain mappings and back, with errors that name the field.

The same schema is read from an annotation, a config file and an xDS TypedStruct; so there is one reader, and its messages are
the same everywhere.
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from ..errors import PolicyError

T = TypeVar("T")

_EXPECTED = {int: "an integer", float: "a number", str: "a string", bool: "true or false"}


CODE_ONLY: Mapping[str, bool] = types.MappingProxyType({"code_only": True})
"""Metadata of a field that only code can set, such as a callable: no mapping has it."""


def from_mapping(schema: type[T], value: object, path: str) -> T:
    """A `schema` dataclass from a mapping such as YAML or JSON gives. Raises PolicyError naming the field."""
    if not isinstance(value, Mapping):
        raise PolicyError(f"{path}: expected a mapping of fields, got {value!r}")
    hints = typing.get_type_hints(schema)
    written = [field.name for field in dataclasses.fields(typing.cast(Any, schema)) if _is_written(field)]
    for name in value:
        if name not in written:
            raise PolicyError(f"{path}.{name}: there is no such field; {_suggest(str(name), written)}")
    return schema(**{name: _convert(hints[name], item, f"{path}.{name}") for name, item in value.items()})


def to_mapping(value: Any) -> dict[str, Any]:
    """The fields of a schema dataclass that differ from their defaults, as plain values."""
    plain = {}
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if item != field.default and _is_written(field) and _is_plain(item):
            plain[field.name] = _plain(item)
    return plain


def in_range(path: str, value: float, low: float, high: float = float("inf")) -> None:
    """Raises PolicyError unless `low <= value <= high`."""
    if not low <= value <= high:
        bounds = f"at least {low}" if high == float("inf") else f"between {low} and {high}"
        raise PolicyError(f"{path}: expected a number {bounds}, got {value}")


def one_of(path: str, value: str, known: Sequence[str]) -> None:
    """Raises PolicyError unless `value` is one of `known`."""
    if value not in known:
        raise PolicyError(f"{path}: there is no {value!r}; {_suggest(value, known)}")


def _is_written(field: "dataclasses.Field[Any]") -> bool:
    return not field.metadata.get("code_only")


def _is_plain(value: object) -> bool:
    return value is None or dataclasses.is_dataclass(value) or isinstance(value, str | int | float | tuple)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_mapping(value)
    return list(value) if isinstance(value, tuple) else value


def _convert(hint: Any, value: object, path: str) -> object:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if value is None and type(None) in options:
        return None
    kind = next(option for option in options if option is not type(None))
    if typing.get_origin(kind) is tuple:
        return _texts(value, path)
    if dataclasses.is_dataclass(kind):
        return from_mapping(typing.cast(type[Any], kind), value, path)
    if kind is str and value is False:
        # YAML 1.1 takes the word off for that.
        return "off"
    # Numbers that crossed a protobuf Struct come back as floats; bool is an int only to Python.
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise PolicyError(f"{path}: expected {_EXPECTED[kind]}, got {value!r}")
    return value


def _texts(value: object, path: str) -> tuple[str, ...]:
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise PolicyError(f"{path}: expected a list of strings, got {value!r}")
    items = tuple(value)
    for item in items:
        if not isinstance(item, str):
            raise PolicyError(f"{path}: expected a list of strings, got {item!r} in it")
    return items


def _suggest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
