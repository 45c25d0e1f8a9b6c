"""YAML as kubectl reads it: plain data, whatever the text looks like."""

import contextlib
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from trimtab.control.yaml_data import MAX_DEPTH, read_documents


def read(text: str) -> Any:
    (only,) = read_documents(text)
    return only


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8080", 8080),
        ("-1", -1),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("true", True),
        ("No", False),
        ("~", None),
        ("", None),
        ("'8080'", "8080"),
        ("!!str 8080", "8080"),
        ("!!int '8080'", 8080),
        ("grpc", "grpc"),
    ],
)
def test_scalars_are_what_json_would_hold(text: str, value: object) -> None:
    assert read(f"- {text}") == [value]


@pytest.mark.parametrize(
    "text", ["2026-01-01T00:00:00Z", "2026-01-01", "1:20", "2001:10:20:30:40:50:1:2", "010", "0x1f", "=", "9" * 30]
)
def test_what_kubernetes_writes_as_text_stays_text(text: str) -> None:
    assert read(f"- {text}") == [text]


def test_keys_are_text() -> None:
    assert read("{1: a, true: b, on: c}") == {"1": "a", "true": "b", "on": "c"}


def test_documents_are_kept_apart() -> None:
    assert read_documents("a: 1\n---\n- 2\n---\n") == [{"a": 1}, [2], None]
    assert read_documents("# nothing\n") == []


def test_aliases_and_merges_are_resolved() -> None:
    text = "base: &base {x: 1, y: 2}\none: {<<: *base, y: 3}\ntwo: {y: 4, <<: [*base]}\nthree: *base"
    assert read(text) == {
        "base": {"x": 1, "y": 2},
        "one": {"x": 1, "y": 3},
        "two": {"x": 1, "y": 4},
        "three": {"x": 1, "y": 2},
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("&a [*a]", "undefined alias 'a'"),
        ("a: *nobody", "undefined alias 'nobody'"),
        ("? [a]\n: b", "a key must be text"),
        ("{a: &x [1], *x : b}", "a key must be text"),
        ("a: 1\nb: {c: 1, c: 1}", "the key 'c' is there twice"),
        ('{"a": 1, "b": [{"c": 1, "c": 1}]}', "the key 'c' is there twice"),
        ("1: a\n'1': b", "the key '1' is there twice"),
    ],
)
def test_what_json_cannot_hold_is_refused_where_it_stands(text: str, why: str) -> None:
    with pytest.raises(yaml.MarkedYAMLError) as error:
        read_documents(text)
    assert error.value.problem == why
    assert error.value.problem_mark is not None


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 50_000, "{a: " * 50_000, '{"a":' * 50_000])
def test_however_deep_a_text_is_nested_it_is_an_error_and_no_crash(text: str) -> None:
    # libyaml, which scans ahead, may be the first to have enough.
    with pytest.raises(yaml.MarkedYAMLError, match=f"nested more than {MAX_DEPTH} levels|maximum nesting depth"):
        read_documents(text)


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff"), max_size=10
)
plain_data = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts.filter(lambda key: key != "<<"), inner),
    max_leaves=8,
)


@given(st.lists(plain_data, max_size=3))
def test_what_was_dumped_is_read_back(documents: list[Any]) -> None:
    assert read_documents(yaml.safe_dump_all(documents, allow_unicode=True)) == documents


@given(st.dictionaries(texts, plain_data, min_size=1))
def test_json_is_yaml(document: dict[str, Any]) -> None:
    assert read(json.dumps(document)) == document


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(yaml.YAMLError):
        assert isinstance(read_documents(text), list)
