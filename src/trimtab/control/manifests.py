"""The text of one manifest file → Kubernetes objects, and what is wrong with the rest. No I/O."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from textwrap import shorten
from typing import Any

import msgspec
import yaml

from .kubernetes import SERVICE_NAME_LABEL, EndpointSlice, Node, Object, ObjectKey, Pod, Service
from .object_names import misnamed
from .yaml_data import read_documents

_SCHEMAS: dict[str, type[Object]] = {"Service": Service, "EndpointSlice": EndpointSlice, "Node": Node, "Pod": Pod}
_OBJECTS = {"Service": "v1", "EndpointSlice": "discovery.k8s.io/v1", "Node": "v1", "Pod": "v1"}
_LISTS = {"List": "v1"} | {f"{kind}List": api_version for kind, api_version in _OBJECTS.items()}
_SHOWN = 60
"""How much of what was found a message repeats, in characters."""
_EMPTY = "the file is empty, as if half written; to say that there is nothing, write a comment"
_FQDN = "FQDN slices are passed over: only IP addresses can be balanced"
_ADDRESS_TYPES = {"IPv4": IPv4Address, "IPv6": IPv6Address, "FQDN": str}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a document, or a whole file, cannot be used."""

    file: str
    message: str
    document: str = ""
    """Which one: its number in the file and, as far as known, the object."""
    field: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.document, self.field, self.message) if part)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one file says."""

    objects: tuple[Object, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    """What is valid and yet does nothing."""
    unreadable: bool = False
    """The text is no YAML, or nothing was written yet: it says nothing about any object."""
    lacking: bool = False
    """It tells of objects that could not be taken from it."""

    @property
    def whole(self) -> bool:
        """Whether nothing is lacking of what the file says."""
        return not self.unreadable and not self.lacking


class _Invalid(Exception):
    def __init__(self, field: str, message: str, *, lacking: bool = True) -> None:
        """`lacking`: without it something may be missed that is there."""
        super().__init__(message)
        self.field = field
        self.lacking = lacking


def parse(file: str, text: str) -> Parsed:
    """The objects in the text of `file`: multi-document YAML or JSON, Lists included. Other kinds are ignored."""
    if not text.strip():
        return Parsed(problems=(Problem(file, _EMPTY),), unreadable=True)
    try:
        documents = read_documents(text)
    except yaml.YAMLError as error:
        return Parsed(problems=(Problem(file, _explain(error)),), unreadable=True)
    objects: list[Object] = []
    named: dict[ObjectKey, str] = {}
    problems: list[Problem] = []
    notes: list[Problem] = []
    lacking = False
    for name, document in _flatten(documents):
        try:
            item = _convert(document)
            if item is not None and (first := named.setdefault(item.key, name)) != name:
                raise _Invalid("", f"is also {first} of this file, which is used; remove one of the two", lacking=False)
        except _Invalid as error:
            lacking |= error.lacking
            problems.append(Problem(file, str(error), _title(name, document), error.field))
        else:
            objects.extend(() if item is None else (item,))
            if isinstance(item, EndpointSlice) and item.address_type == "FQDN":
                notes.append(Problem(file, _FQDN, _title(name, document), "addressType"))
    return Parsed(tuple(objects), tuple(problems), tuple(notes), lacking=lacking)


def _explain(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    why = getattr(error, "problem", None) or getattr(error, "reason", None) or error
    return f"not YAML{where}: {why}"


def _flatten(documents: list[Any]) -> Iterator[tuple[str, Any]]:
    """Every object, with a name for messages; Lists are opened, unless they are in Lists."""
    for number, document in enumerate(documents, 1):
        if document is None:
            continue
        if isinstance(document, dict) and _is_list(document) and isinstance(document.get("items"), list):
            for index, item in enumerate(document["items"]):
                yield f"document {number} items[{index}]", _as_listed(item, document)
        else:
            yield f"document {number}", document


def _is_list(document: dict[str, Any]) -> bool:
    """Whether it is a list that may hold anything of ours."""
    kind = str(document.get("kind"))
    return kind in _LISTS and _may_be(document, _LISTS[kind])


def _as_listed(item: Any, document: dict[str, Any]) -> Any:
    """The API server says in a list of one kind only once of which."""
    kind = document["kind"].removesuffix("List")
    if isinstance(item, dict) and kind and "kind" not in item:
        return {"apiVersion": document.get("apiVersion"), "kind": kind, **item}
    return item


def _title(name: str, document: Any) -> str:
    if not isinstance(document, dict):
        return name
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    path = "/".join(str(metadata[key]) for key in ("namespace", "name") if metadata.get(key))
    known = " ".join(str(part) for part in (document.get("kind"), path) if part)
    return f"{name} ({known})" if known else name


def _convert(document: Any) -> Object | None:
    if not isinstance(document, dict):
        raise _Invalid("", f"expected a Kubernetes object with apiVersion, kind and metadata, got {_shown(document)}")
    kind = document.get("kind")
    if not isinstance(kind, str) or not kind:
        raise _Invalid("kind", "is missing: say what this is, such as Service; if the file was cut off, write it again")
    if kind not in _SCHEMAS:
        _check_other(document, kind)
        return None
    if (given := document.get("apiVersion")) != (expected := _OBJECTS[kind]):
        if not _may_be(document, expected):
            return None
        raise _Invalid("apiVersion", f"expected {expected}, got {_shown(given)}")
    try:
        item = msgspec.convert(document, _SCHEMAS[kind])
    except msgspec.ValidationError as error:
        raise _located(error, document) from error
    if (wrong := misnamed(item)) is not None:
        raise _Invalid(*wrong)
    if isinstance(item, EndpointSlice):
        _check_slice(item)
    return item


def _check_other(document: dict[str, Any], kind: str) -> None:
    """Other kinds are nobody's business here, unless one of ours was meant."""
    if _is_list(document):
        if isinstance(document.get("items"), list):
            raise _Invalid("kind", f"a {kind} in a list is not opened; put its items beside it")
        found = "nothing, as if half written" if document.get("items") is None else _shown(document["items"])
        raise _Invalid("items", f"expected a list, got {found}; to say that there is nothing, write `items: []`")
    for name, api_version in (_OBJECTS | _LISTS).items():
        if _may_be(document, api_version) and name.lower().startswith(kind.lower()):
            raise _Invalid("kind", f"expected {name}, got {kind!r}")


def _may_be(document: dict[str, Any], api_version: str) -> bool:
    """Whether it is of that group, or does not say. Others have kinds of the same name, such as Knative its Service."""
    given = str(document.get("apiVersion") or "")
    return not given or given.rpartition("/")[0] == api_version.rpartition("/")[0]


def _shown(value: object) -> str:
    """What was found, for messages."""
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    return shorten(repr(value), _SHOWN, placeholder="…")


def _located(error: msgspec.ValidationError, document: Any) -> _Invalid:
    """msgspec says "… - at `$.ports[0].port`"; people look for `ports[0].port`, and for what is there."""
    message, _, path = str(error).partition(" - at `$")
    missing = re.search(r"missing required field `(\w+)`", message)
    field = path.rstrip("`").removeprefix(".")
    if missing:
        return _Invalid(".".join(part for part in (field, missing[1]) if part), "is missing; add it")
    said = message.replace("`", "").replace("Expected", "expected")
    found = _at(document, field)
    return _Invalid(field, said if ", got " in said or found is None else f"{said}, got {found!r}")


def _at(document: Any, field: str) -> object:
    """The number or string there is at `ports[0].port`; None: neither."""
    for key, index in re.findall(r"(\w+)|\[(\d+)\]", field):
        try:
            document = document[key or int(index)]
        except (LookupError, TypeError):
            return None
    return document if isinstance(document, (int, float, str)) else None


def _check_slice(part: EndpointSlice) -> None:
    if not part.service[1]:
        # Clusters have slices of no Service.
        label = f"metadata.labels[{SERVICE_NAME_LABEL}]"
        raise _Invalid(label, "is missing: name the Service whose endpoints these are", lacking=False)
    if (address_class := _ADDRESS_TYPES.get(part.address_type)) is None:
        raise _Invalid("addressType", f"expected IPv4, IPv6 or FQDN, got {part.address_type!r}")
    for index, endpoint in enumerate(part.endpoints or ()):
        address = endpoint.addresses[0]
        try:
            if "%" in address:
                raise ValueError("a scope means nothing to another host")
            address_class(address)
        except ValueError:
            path = f"endpoints[{index}].addresses[0]"
            raise _Invalid(path, f"{address!r} is not an {part.address_type} address") from None
