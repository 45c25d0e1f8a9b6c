"""Policies for services that do not say everything themselves: the cluster's, and each namespace's over it. No I/O."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

import yaml

from ..errors import PolicyError
from ..model import Policy
from .yaml_data import read_document

Fields = Mapping[str, Any]
"""Fields of the Policy schema as they were written; what is not there is not said."""

_NOTHING: Fields = MappingProxyType({})


class PolicyDefaults:
    """What is written in the configuration file, whole and checked. The default says nothing."""

    def __init__(self, cluster: Fields = _NOTHING, namespaces: Mapping[str, Fields] | None = None) -> None:
        """Raises PolicyError, naming the namespace if it is about one."""
        self._cluster = cluster
        self._policy = Policy.from_mapping(cluster)
        self._fields = {name: merged(cluster, fields) for name, fields in (namespaces or {}).items()}
        self._policies = {name: _checked(fields, f"namespaces.{name}") for name, fields in self._fields.items()}

    @classmethod
    def parse(cls, text: str) -> Self:
        """What a YAML or JSON document says. Raises PolicyError naming the field, or the line."""
        try:
            document = read_document(text)
        except yaml.YAMLError as error:
            raise PolicyError(f"not YAML: {error}") from error
        known = _mapping({} if document is None else document, "", ("policy", "namespaces"))
        namespaces = known.get("namespaces", {})
        if not isinstance(namespaces, Mapping):
            raise PolicyError(f"namespaces: expected a mapping by namespace, got {namespaces!r}")
        return cls(
            _fields(known, "policy"),
            {
                name: _fields(_mapping(value, f"namespaces.{name}", ("policy",)), f"namespaces.{name}.policy")
                for name, value in namespaces.items()
            },
        )

    def of(self, namespace: str) -> Fields:
        """The fields that are given to services of a namespace."""
        return self._fields.get(namespace, self._cluster)

    def policy(self, namespace: str) -> Policy:
        """The policy of a service that says nothing itself."""
        return self._policies.get(namespace, self._policy)


def merged(general: Fields, special: Fields) -> dict[str, Any]:
    """`special` over `general`, field by field, also inside of parts; a list is one value."""
    both = {
        name: merged(general[name], value)
        for name, value in special.items()
        if isinstance(value, Mapping) and isinstance(general.get(name), Mapping)
    }
    return {**general, **special, **both}


def _mapping(value: object, path: str, known: tuple[str, ...]) -> Fields:
    if not isinstance(value, Mapping):
        raise PolicyError(f"{path or 'configuration'}: expected a mapping with {' and '.join(known)}, got {value!r}")
    for name in value:
        if name not in known:
            place = f"{path}.{name}" if path else name
            raise PolicyError(f"{place}: there is no such setting; known are {', '.join(known)}")
    return value


def _fields(document: Fields, path: str) -> Fields:
    fields = document.get("policy", {})
    if not isinstance(fields, Mapping):
        raise PolicyError(f"{path}: expected a mapping of fields, got {fields!r}")
    return fields


def _checked(fields: Fields, path: str) -> Policy:
    try:
        return Policy.from_mapping(fields)
    except PolicyError as error:
        raise PolicyError(f"{path}.{error}") from error
