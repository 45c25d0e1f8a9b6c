"""YAML text → plain data, such as JSON could hold.

Built from the parser's events. PyYAML's own loader recurses in C, so that a deeply nested file ends the process; it keeps the
interpreter to itself for as long as a large document takes; and it makes dates, base-60 numbers and sets of what
Kubernetes reads as text.
"""

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
import yaml
from yaml.error import MarkedYAMLError

# The C parser where libyaml is there: cluster dumps are large.
_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_DEPTH = 200
"""Deeper than any Kubernetes object, shallow enough for whatever walks the data."""

_MERGE = "<<"
_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
# YAML 1.1, which kubectl reads.
_TRUE, _FALSE, _NULL = ("true", "yes", "on"), ("false", "no", "off"), ("null",)
_WORDS = {
    form: value
    for words, value in ((_TRUE, True), (_FALSE, False), (_NULL, None))
    for word in words
    for form in (word, word.capitalize(), word.upper())
} | {"": None, "~": None}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")


def read_documents(text: str) -> list[Any]:
    """The documents in `text`. Raises yaml.YAMLError."""
    if text.lstrip().startswith("{"):
        try:
            document = msgspec.json.decode(text)
            json.loads(text, object_pairs_hook=_expect_distinct_keys)
            return [document]
        except (msgspec.DecodeError, RecursionError, ValueError):
            pass  # YAML in JSON's clothes, or a mistake that the YAML parser puts a line and a column to.
    reader = _Reader()
    for event in yaml.parse(text, Loader=_Parser):
        reader.take(event)
    return reader.documents


def _expect_distinct_keys(pairs: list[tuple[str, Any]]) -> None:
    """Of a key that is there twice msgspec takes the last."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError


def read_document(text: str) -> Any:
    """The one document in `text`; None if there is none. Raises yaml.YAMLError."""
    documents = read_documents(text)
    if len(documents) > 1:
        raise MarkedYAMLError(problem="expected one document")
    return documents[0] if documents else None


class _Sequence:
    def __init__(self) -> None:
        self.value: list[Any] = []
        self.anchor: str | None = None
        self.wants_key = False

    def add(self, value: Any) -> None:
        self.value.append(value)

    def finish(self) -> Any:
        return self.value


class _Mapping:
    def __init__(self) -> None:
        self.value: dict[str, Any] = {}
        self.anchor: str | None = None
        self.wants_key = True
        self._key = ""
        self._merged: list[Any] = []

    def name(self, key: str) -> None:
        self._key = key
        self.wants_key = False

    def add(self, value: Any) -> None:
        if self._key == _MERGE:
            self._merged.extend(value if isinstance(value, list) else [value])
        else:
            self.value[self._key] = value
        self.wants_key = True

    def finish(self) -> Any:
        for mapping in self._merged:
            # What a mapping says itself goes before what it merges in.
            for key, value in mapping.items() if isinstance(mapping, dict) else ():
                self.value.setdefault(key, value)
        return self.value


class _Reader:
    """Takes in events one by one."""

    def __init__(self) -> None:
        self.documents: list[Any] = []
        self._open: list[_Sequence | _Mapping] = []
        self._anchors: dict[str, Any] = {}
        self._handlers: dict[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: lambda event: self._begin(_Mapping(), event),
            yaml.SequenceStartEvent: lambda event: self._begin(_Sequence(), event),
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: lambda _: self._anchors.clear(),
        }

    def take(self, event: Any) -> None:
        if (handler := self._handlers.get(type(event))) is not None:
            handler(event)

    def _scalar(self, event: Any) -> None:
        if self._open and self._open[-1].wants_key:
            # A key is text, whatever it looks like: labels and annotations have no other.
            value = event.value
        else:
            value = _resolve(event.value) if _is_plain(event) else event.value
        self._put(value, event.anchor, event)

    def _begin(self, collection: _Sequence | _Mapping, event: Any) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise MarkedYAMLError(problem=f"nested more than {MAX_DEPTH} levels deep", problem_mark=event.start_mark)
        if self._open and self._open[-1].wants_key:
            raise MarkedYAMLError(problem="a key must be text", problem_mark=event.start_mark)
        collection.anchor = event.anchor
        self._open.append(collection)

    def _end(self, event: Any) -> None:
        # Anchored only now, so that nothing can contain itself.
        collection = self._open.pop()
        self._put(collection.finish(), collection.anchor, event)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise MarkedYAMLError(problem=f"undefined alias {event.anchor!r}", problem_mark=event.start_mark)
        self._put(self._anchors[event.anchor], None, event)

    def _put(self, value: Any, anchor: str | None, event: Any) -> None:
        if anchor is not None:
            self._anchors[anchor] = value
        if not self._open:
            self.documents.append(value)
            return
        parent = self._open[-1]
        if not isinstance(parent, _Mapping) or not parent.wants_key:
            parent.add(value)
        elif not isinstance(value, str):
            raise MarkedYAMLError(problem="a key must be text", problem_mark=event.start_mark)
        elif value in parent.value:
            # Others take the last one, and nobody sees that the first does nothing.
            raise MarkedYAMLError(problem=f"the key {value!r} is there twice", problem_mark=event.start_mark)
        else:
            parent.name(value)


def _is_plain(event: Any) -> bool:
    tag = event.tag
    return bool(event.implicit[0]) if tag is None else tag not in _TEXT_TAGS


@lru_cache(maxsize=4096)
def _resolve(text: str) -> Any:
    """What a scalar without quotes means."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    # A number too long for an integer is text; as a float it would lose digits.
    return float(text) if not text.isdigit() and _NUMBER.fullmatch(text) else text
