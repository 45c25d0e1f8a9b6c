"""What the Kubernetes API answers, decoded to what is used of it. No I/O.

Lists, watch events and Status: kubernetes/apimachinery `meta/v1`, and "Kubernetes API Concepts" in the Kubernetes docs.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from msgspec import Raw, Struct, field

from ..kubernetes import Object, ObjectKey
from .kinds import Kind

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
NAMESPACE_TERMINATING = "NamespaceTerminating"
"""Why nothing can be created in a namespace any more; the status is that of a missing permission."""
_TELLING_CAUSES = ("ResourceVersionTooLarge", NAMESPACE_TERMINATING)
"""Causes that say more than the reason they come with (kubernetes/apimachinery `meta/v1`, kubernetes/api `core/v1`)."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request, or a stream in the middle of it, came to nothing."""

    message: str
    status: int | None = None
    """HTTP status, or the code of a Status in a stream; None: no answer, or none that can be understood."""
    reason: str = ""
    retry_after_s: float = 0.0
    server: str = ""
    """Who answered with that HTTP status."""

    @property
    def expired(self) -> bool:
        """The resource version asked from is no longer known, or not known yet: only a new list helps."""
        return self.status == 410 or self.reason in ("Expired", "Gone", "ResourceVersionTooLarge")


class Unanswered(Exception):
    """A request that failed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    items: Sequence[Object]
    resource_version: str
    more: str = ""
    """Token for the next page; empty: this was the last."""
    unusable: "Sequence[Unusable]" = ()
    """What could not be decoded."""


@dataclass(frozen=True, slots=True)
class Upsert:
    """An object that is new or changed."""

    item: Object


@dataclass(frozen=True, slots=True)
class Delete:
    """An object that is gone, and the version its end has."""

    key: ObjectKey
    resource_version: str


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Everything up to this version has been sent."""

    resource_version: str
    initial_events_end: bool = False
    """The list that the stream began with is complete (WatchList)."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """An object that could not be decoded; what was known of it stays."""

    why: str
    resource_version: str = ""
    key: ObjectKey | None = None
    """Which one it is; None: it does not say."""


Event = Upsert | Delete | Bookmark | Unusable


class _ListMeta(Struct, rename="camel"):
    resource_version: str = ""
    more: str | None = field(default=None, name="continue")


class _RawList(Struct):
    metadata: _ListMeta = field(default_factory=_ListMeta)
    items: list[Raw] | None = None


class _Cause(Struct):
    reason: str = ""


class _Details(Struct, rename="camel"):
    retry_after_seconds: int = 0
    causes: list[_Cause] | None = None


class _Status(Struct):
    code: int | None = None
    reason: str = ""
    message: str = ""
    details: _Details | None = None


class _Event(Struct):
    type: str
    object: Raw


class _SparseMetadata(Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class _Sparse(Struct):
    """Any object, as far as a bookmark or a deletion says anything of it."""

    metadata: _SparseMetadata = field(default_factory=_SparseMetadata)


@cache
def _list_decoder(schema: Hashable) -> "msgspec.json.Decoder[Any]":
    items: Any = list[schema] | None  # type: ignore[valid-type]
    fields: Any = [("metadata", _ListMeta, field(default_factory=_ListMeta)), ("items", items, None)]
    return msgspec.json.Decoder(msgspec.defstruct("_List", fields))


@cache
def _decoder(schema: Hashable) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(schema)


_EVENTS = msgspec.json.Decoder(_Event)


def read_page(kind: Kind, data: bytes) -> Page:
    """A page of a list. One object that is not as expected costs that object alone. Raises Unanswered."""
    try:
        found = _list_decoder(kind.schema).decode(data)
    except msgspec.ValidationError:
        return _read_one_by_one(kind, data)
    except msgspec.DecodeError as error:
        raise Unanswered(Failure(f"a list of {kind.resource} that is not JSON: {error}")) from error
    items = list(map(kind.convert, found.items or ()))
    return Page(items, found.metadata.resource_version, found.metadata.more or "")


def _read_one_by_one(kind: Kind, data: bytes) -> Page:
    try:
        found = msgspec.json.decode(data, type=_RawList)
    except msgspec.DecodeError as error:
        raise Unanswered(Failure(f"not a list of {kind.resource}: {error}")) from error
    read = [_read_object(kind, raw) for raw in found.items or ()]
    items = [event.item for event in read if isinstance(event, Upsert)]
    unusable = [event for event in read if isinstance(event, Unusable)]
    return Page(items, found.metadata.resource_version, found.metadata.more or "", unusable)


def read_event(kind: Kind, line: bytes) -> Event:
    """One line of a watch. Raises Unanswered for an ERROR event and for what is no event at all."""
    try:
        event = _EVENTS.decode(line)
        if event.type in ("ADDED", "MODIFIED"):
            return _read_object(kind, event.object)
        if event.type == "ERROR":
            raise Unanswered(read_status(bytes(event.object), None, "the watch ended with an error"))
        metadata = _decoder(_Sparse).decode(event.object).metadata
    except msgspec.DecodeError as error:
        raise Unanswered(Failure(f"a line of a watch of {kind.resource} that is no event: {error}")) from error
    if event.type == "DELETED":
        return Delete(_key(kind, metadata), metadata.resource_version)
    if event.type == "BOOKMARK":
        ended = (metadata.annotations or {}).get(INITIAL_EVENTS_END) == "true"
        return Bookmark(metadata.resource_version, ended)
    return Unusable(f"an event of unknown type {event.type!r}", metadata.resource_version)


def _read_object(kind: Kind, raw: Raw) -> Upsert | Unusable:
    try:
        return Upsert(kind.convert(_decoder(kind.schema).decode(raw)))
    except msgspec.ValidationError as error:
        try:
            metadata = _decoder(_Sparse).decode(raw).metadata
        except msgspec.ValidationError:
            return Unusable(f"{kind.name}: {error}")
        why = f"{kind.name} {metadata.namespace}/{metadata.name}: {error}"
        return Unusable(why, metadata.resource_version, _key(kind, metadata))


def _key(kind: Kind, metadata: _SparseMetadata) -> ObjectKey:
    return kind.name, (metadata.namespace or "default") if kind.namespaced else "", metadata.name


def read_status(data: bytes, status: int | None, otherwise: str) -> Failure:
    """The failure that a Status object, or the body of an HTTP error, tells of; `otherwise` is said if it says nothing.

    Pages for people, and whatever is said where there is no Kubernetes API, are not repeated.
    """
    try:
        said = msgspec.json.decode(data, type=_Status)
    except msgspec.DecodeError:
        if status == 404 or data.lstrip().startswith(b"<"):
            return Failure(otherwise, status)
        return Failure(f"{otherwise}: {data[:200].decode(errors='replace')!r}", status)
    details = said.details or _Details()
    reasons = {cause.reason for cause in details.causes or ()}
    reason = next((cause for cause in _TELLING_CAUSES if cause in reasons), said.reason)
    return Failure(said.message or otherwise, status or said.code, reason, float(details.retry_after_seconds))
