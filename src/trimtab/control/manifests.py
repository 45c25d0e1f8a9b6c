"""The text of one manifest file → Kubernetes objects, and what is wrong with the rest. No I/O."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import msgspec
import yaml

from .kubernetes import SERVICE_NAME_LABEL, EndpointSlice, Node, Object, ObjectKey, Pod, Service
from .object_names import misnamed
from .yaml_data import read_documents

_KINDS: dict[str, tuple[type[Object], str]] = {
    "Service": (Service, "v1"),
    "EndpointSlice": (EndpointSlice, "discovery.k8s.io/v1"),
    "Node": (Node, "v1"),
    "Pod": (Pod, "v1"),
}
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


class _Invalid(Exception):
    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def parse(file: str, text: str) -> Parsed:
    """The objects in the text of `file`: multi-document YAML or JSON, Lists included. Other kinds are ignored."""
    if not text.strip():
        return Parsed(problems=(Problem(file, "the file is empty, as if half written"),), unreadable=True)
    try:
        documents = read_documents(text)
    except yaml.YAMLError as error:
        return Parsed(problems=(Problem(file, _explain(error)),), unreadable=True)
    objects: list[Object] = []
    named: dict[ObjectKey, str] = {}
    problems: list[Problem] = []
    notes: list[Problem] = []
    for name, document in _flatten(documents):
        try:
            item = _convert(document)
            if item is not None and (first := named.setdefault(item.key, name)) != name:
                raise _Invalid("", f"is also {first} of this file, which is used; remove one of the two")
        except _Invalid as error:
            problems.append(Problem(file, str(error), _title(name, document), error.field))
        else:
            objects.extend(() if item is None else (item,))
            if isinstance(item, EndpointSlice) and item.address_type == "FQDN":
                notes.append(Problem(file, _FQDN, _title(name, document), "addressType"))
    return Parsed(tuple(objects), tuple(problems), tuple(notes))


def _explain(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    why = getattr(error, "problem", None) or getattr(error, "reason", None) or error
    return f"not YAML{where}: {why}"


def _flatten(documents: list[Any]) -> Iterator[tuple[str, Any]]:
    """Every object, with a name for messages; Lists are opened."""
    for number, document in enumerate(documents, 1):
        if document is None:
            continue
        if isinstance(document, dict) and isinstance(document.get("items"), list) and _is_list(document):
            for index, item in enumerate(document["items"]):
                yield f"document {number} items[{index}]", item
        else:
            yield f"document {number}", document


def _is_list(document: dict[str, Any]) -> bool:
    return str(document.get("kind", "")).endswith("List")


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
        raise _Invalid("", f"expected a Kubernetes object, got {type(document).__name__}")
    kind = document.get("kind")
    if not isinstance(kind, str) or not kind:
        raise _Invalid("kind", "is missing")
    if kind not in _KINDS:
        return None
    schema, api_version = _KINDS[kind]
    given = document.get("apiVersion")
    if given != api_version:
        # Others have kinds of the same name, such as Knative its Service.
        if _group(str(given or "")) not in ("", _group(api_version)):
            return None
        raise _Invalid("apiVersion", f"expected {api_version}, got {given!r}")
    try:
        item = msgspec.convert(document, schema)
    except msgspec.ValidationError as error:
        raise _located(error, document) from error
    if (wrong := misnamed(item)) is not None:
        raise _Invalid(*wrong)
    if isinstance(item, EndpointSlice):
        _check_slice(item)
    return item


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]


def _located(error: msgspec.ValidationError, document: Any) -> _Invalid:
    """msgspec says "… - at `$.ports[0].port`"; people look for `ports[0].port`, and for what is there."""
    message, _, path = str(error).partition(" - at `$")
    missing = re.search(r"missing required field `(\w+)`", message)
    field = path.rstrip("`").removeprefix(".")
    if missing:
        return _Invalid(".".join(part for part in (field, missing[1]) if part), "is missing")
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
        raise _Invalid(f"metadata.labels[{SERVICE_NAME_LABEL}]", "is missing: it says whose endpoints these are")
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
