"""What a pretended API server makes of writes: names, versions that must fit, and fields that are not the writer's."""

from collections.abc import Mapping
from typing import Any

from .fake_status import Refused, already_exists, conflict, not_found
from .fake_store import FakeStore, Json, Key

_WITH_STATUS = frozenset({"services", "pods"})
"""Their status is written by itself, through a path of its own."""
_MADE_BY_PUT = frozenset({"services", "events", "clusterroles", "clusterrolebindings"})
"""A real server makes these where there is nothing to replace (`AllowCreateOnUpdate`); nobody here asks for that."""


def create(store: FakeStore, resource: str, namespace: str, item: Json) -> Json:
    """Raises Refused."""
    metadata = {**item["metadata"], **({"namespace": namespace} if namespace else {})}
    # The server's to choose.
    metadata.pop("uid", None)
    if "generateName" in metadata and "name" not in metadata:
        metadata["name"] = f"{metadata['generateName']}{store.revision}"
    if (metadata.get("namespace", ""), metadata["name"]) in store.objects[resource]:
        raise already_exists(resource, metadata["name"])
    if resource == "events" and (wrong := _wrong_event(item, namespace)) is not None:
        raise Refused(422, f'Event "{metadata["name"]}" is invalid: {wrong}')
    made = {**item, "metadata": metadata}
    if resource in _WITH_STATUS:
        made["status"] = {"phase": "Pending"} if resource == "pods" else {"loadBalancer": {}}
    return store.put(made)


def replace(store: FakeStore, resource: str, key: Key, item: Json) -> Json:
    """Raises Refused; also if the writer knew another version than the last one."""
    assert key in store.objects[resource] or resource not in _MADE_BY_PUT
    before = _known(store, resource, key)
    metadata = {**item["metadata"], "uid": before["metadata"]["uid"]}
    if metadata.get("resourceVersion", before["metadata"]["resourceVersion"]) != before["metadata"]["resourceVersion"]:
        raise conflict(resource, key[1])
    status = {"status": before["status"]} if resource in _WITH_STATUS and "status" in before else {}
    return store.put({**item, "metadata": metadata, **status})


def patch(store: FakeStore, resource: str, key: Key, change: Json, *, status: bool = False) -> Json:
    """A merge patch; `status`: of nothing but the status. Raises Refused."""
    before = _known(store, resource, key)
    if status:
        return store.put({**before, "status": merged(before.get("status", {}), change.get("status", {}))})
    if resource in _WITH_STATUS:
        change = {name: value for name, value in change.items() if name != "status"}
    return store.put(merged(before, change))


def delete(store: FakeStore, resource: str, key: Key) -> Json:
    """Raises Refused."""
    before = _known(store, resource, key)
    store.delete(resource, *key)
    details = {"name": key[1], "kind": resource, "uid": before["metadata"]["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def merged(item: Mapping[str, Any], change: Mapping[str, Any]) -> Json:
    """RFC 7396."""
    result = dict(item)
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            before = result.get(name)
            result[name] = merged(before if isinstance(before, dict) else {}, value)
        else:
            result[name] = value
    return result


def _known(store: FakeStore, resource: str, key: Key) -> Json:
    found = store.objects[resource].get(key)
    if found is None:
        raise not_found(resource, key[1])
    return found


def _wrong_event(item: Json, namespace: str) -> str | None:
    """What is minded about an Event of core/v1 without eventTime (kubernetes/pkg/apis/core/validation/events.go)."""
    if item["involvedObject"].get("namespace") != namespace:
        return "involvedObject.namespace: Invalid value: does not match event.namespace"
    return None
