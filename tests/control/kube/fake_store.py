"""The state of a pretended API server: objects, resource versions, and a history that can be forgotten."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

Json = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name."""

API_VERSIONS = {
    "services": ("v1", "Service"),
    "endpointslices": ("discovery.k8s.io/v1", "EndpointSlice"),
    "nodes": ("v1", "Node"),
    "pods": ("v1", "Pod"),
    "events": ("v1", "Event"),
    "namespaces": ("v1", "Namespace"),
    "serviceaccounts": ("v1", "ServiceAccount"),
    "clusterroles": ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    "clusterrolebindings": ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
}
_WITHOUT_NAMESPACE = frozenset({"nodes", "namespaces", "clusterroles", "clusterrolebindings"})
_RESOURCES = {kind: resource for resource, (_, kind) in API_VERSIONS.items()}
_UIDS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the history."""

    revision: int
    resource: str
    type: str
    item: Json
    before: Json | None


class Expired(Exception):
    """The history does not reach back that far."""


class FakeStore:
    """Every write has a revision of its own, as in etcd."""

    def __init__(self) -> None:
        self.revision = 1
        self.objects: dict[str, dict[Key, Json]] = {resource: {} for resource in API_VERSIONS}
        self._history: list[Change] = []
        self._compacted = 0

    def put(self, item: Mapping[str, Any]) -> Json:
        """Create an object, or replace it."""
        resource = _RESOURCES[item["kind"]]
        metadata = item["metadata"]
        key = (metadata.get("namespace", "") if resource not in _WITHOUT_NAMESPACE else "", metadata["name"])
        before = self.objects[resource].get(key)
        self.revision += 1
        uid = f"uid-{next(_UIDS)}" if before is None else before["metadata"]["uid"]
        # Junk that a real server sends too.
        fields = {"manager": "tests", "operation": "Update", "fieldsV1": {"f:spec": {}}}
        stored = {
            **item,
            "apiVersion": API_VERSIONS[resource][0],
            "metadata": {
                "uid": uid,
                **metadata,
                "resourceVersion": str(self.revision),
                "managedFields": [fields],
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
        }
        self.objects[resource][key] = stored
        self._note(Change(self.revision, resource, "ADDED" if before is None else "MODIFIED", stored, before))
        return stored

    def delete(self, resource: str, namespace: str, name: str) -> None:
        """Raises KeyError if it is not there."""
        before = self.objects[resource].pop((namespace, name))
        self.revision += 1
        last = {**before, "metadata": {**before["metadata"], "resourceVersion": str(self.revision)}}
        self._note(Change(self.revision, resource, "DELETED", last, before))

    def compact(self) -> None:
        """Forget the history."""
        self._compacted = self.revision
        self._history.clear()

    @property
    def oldest(self) -> int:
        """The oldest revision from which everything since is known."""
        return self._compacted

    def since(self, revision: int) -> Iterator[Change]:
        """Everything after `revision`. Raises Expired."""
        if revision < self._compacted:
            raise Expired
        start = len(self._history)
        while start and self._history[start - 1].revision > revision:
            start -= 1
        return iter(self._history[start:])

    def list(self, resource: str, namespace: str, selector: str) -> Iterable[Json]:
        """The objects of a collection in the order of their keys, as etcd has them."""
        found = self.objects[resource]
        return [
            found[key]
            for key in sorted(found)
            if (not namespace or key[0] == namespace) and selects(selector, found[key])
        ]

    def _note(self, change: Change) -> None:
        self._history.append(change)


def group_of(resource: str) -> str:
    """The API group of a resource; empty for the core group."""
    return API_VERSIONS[resource][0].rpartition("/")[0]


def qualified(resource: str) -> str:
    """A resource with its group, as it is called in messages."""
    return f"{resource}.{group_of(resource)}".rstrip(".")


def selects(selector: str, item: Json) -> bool:
    """Whether a label selector selects an object; only `name=value` is known here."""
    assert not set(selector) & set("!() "), selector
    labels = item["metadata"].get("labels") or {}
    return all(
        labels.get(name) == value for name, _, value in (part.partition("=") for part in selector.split(",")) if name
    )


def encode(item: object) -> bytes:
    """JSON."""
    return msgspec.json.encode(item)
