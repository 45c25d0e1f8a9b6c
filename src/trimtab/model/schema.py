"""Frozen dataclasses from plain mappings and back, with errors that name the field.

The same schema is read from an annotation, a config file, an xDS TypedStruct and what code constructs; so there is one check of
fields, and its messages are the same everywhere.
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from ..errors import PolicyError

T = TypeVar("T")

_EXPECTED = {int: "an integer", float: "a number", str: "a string", bool: "true or false"}
_WRITTEN = frozenset({*_EXPECTED, tuple})
"""The types of fields that mappings have in some form."""


CODE_ONLY: Mapping[str, bool] = types.MappingProxyType({"code_only": True})
"""Metadata of a field that only code can set, such as a callable: no mapping has it."""


def from_mapping(schema: type[T], value: object, path: str) -> T:
    """A `schema` dataclass from a mapping such as YAML or JSON gives. Raises PolicyError naming the field."""
    if not isinstance(value, Mapping):
        raise PolicyError(f"{path}: expected a mapping of fields, got {value!r}")
    options = _options(typing.cast(Any, schema))
    written = [field.name for field in dataclasses.fields(typing.cast(Any, schema)) if _is_written(field)]
    for name in value:
        if name not in written:
            raise PolicyError(f"{path}.{name}: there is no such field; {_suggest(str(name), written)}")
    return schema(**{name: _convert(options[name], item, f"{path}.{name}") for name, item in value.items()})


def check_fields(value: Any, path: str) -> None:
    """Hold a schema dataclass that code constructs to the types of its fields, as `from_mapping` does with what is written, and
    set right what has another form: 30 for 30.0, a list for a tuple. For its `__post_init__`. Raises PolicyError."""
    for name, options in _options(typing.cast(Any, type(value))).items():
        item = getattr(value, name)
        if (right := _constructed(options, item, f"{path}.{name}")) is not item:
            object.__setattr__(value, name, right)


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


@cache
def _options(schema: Hashable) -> Mapping[str, Sequence[Any]]:
    """By field the types that it may have."""
    hints = typing.get_type_hints(typing.cast(type[Any], schema)).items()
    return {name: typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,) for name, hint in hints}


def _constructed(options: Sequence[Any], value: object, path: str) -> object:
    """What only code can give, a part of a policy or a callable, is taken as it is; the rest as if it were written."""
    if type(value) in options:
        # The common case; asking a protocol is slow.
        return value
    for option in options:
        kind = typing.get_origin(option) or option
        if kind not in _WRITTEN and isinstance(value, kind):
            return value
    if dataclasses.is_dataclass(options[0]):
        raise PolicyError(f"{path}: expected {_named(options)}, got {value!r}")
    if typing.get_origin(options[0]) is Callable:
        raise PolicyError(f"{path}: expected something to call, or None, got {value!r}")
    return _convert(options, value, path)


def _named(options: Sequence[Any]) -> str:
    """The parts of a policy that a field takes, for people."""
    return " or ".join("None" if option is types.NoneType else f"trimtab.model.{option.__name__}" for option in options)


def _convert(options: Sequence[Any], value: object, path: str) -> object:
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
