"""What a pretended API server makes of writes: names, versions that must fit, and fields that are not the writer's."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from .fake_status import about, already_exists, conflict, invalid, namespace_terminating, not_found
from .fake_store import FakeStore, Json, Key

_FIRST_STATUS: Mapping[str, Json] = {"services": {"loadBalancer": {}}, "pods": {"phase": "Pending"}}
"""What nobody but the server says when it is made."""
_WITH_STATUS = frozenset({*_FIRST_STATUS, "nodes"})
"""Their status is written by itself, through a path of its own; a Node may be made with one."""
_SERVERS_OWN = frozenset({"resourceVersion", "managedFields", "creationTimestamp"})
"""Metadata that no writer changes."""
_SLICE = "EndpointSlice.discovery.k8s.io"
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
    _admit(store.objects["namespaces"], resource, namespace, metadata["name"])
    _validate(resource, namespace, item)
    made = {**item, "metadata": metadata}
    if resource in _FIRST_STATUS:
        made["status"] = dict(_FIRST_STATUS[resource])
    return store.put(made)


def replace(store: FakeStore, resource: str, key: Key, item: Json) -> Json:
    """Raises Refused; also if the writer knew another version than the last one."""
    assert key in store.objects[resource] or resource not in _MADE_BY_PUT
    before = _known(store, resource, key)
    metadata = {**item["metadata"], "uid": before["metadata"]["uid"]}
    if metadata.get("resourceVersion", before["metadata"]["resourceVersion"]) != before["metadata"]["resourceVersion"]:
        raise conflict(resource, key[1])
    _validate(resource, key[0], item, before)
    status = {"status": before["status"]} if resource in _WITH_STATUS and "status" in before else {}
    return _put(store, before, {**item, "metadata": metadata, **status})


def patch(store: FakeStore, resource: str, key: Key, change: Json, *, status: bool = False) -> Json:
    """A merge patch; `status`: of nothing but the status. Raises Refused."""
    before = _known(store, resource, key)
    if status:
        return _put(store, before, {**before, "status": merged(before.get("status", {}), change.get("status", {}))})
    if resource in _WITH_STATUS:
        change = {name: value for name, value in change.items() if name != "status"}
    return _put(store, before, merged(before, change))


def delete(store: FakeStore, resource: str, key: Key) -> Json:
    """Raises Refused."""
    before = _known(store, resource, key)
    if resource == "namespaces":
        # It is there until a controller has emptied it; here there is none.
        return _put(store, before, merged(before, {"status": {"phase": "Terminating"}}))
    store.delete(resource, *key)
    details = {**about(resource, key[1]), "uid": before["metadata"]["uid"]}
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


def _put(store: FakeStore, before: Json, item: Json) -> Json:
    """What changes nothing is no write: no new version, and nobody hears of it (etcd3 `GuaranteedUpdate`)."""
    return before if _by_writers(item) == _by_writers(before) else store.put(item)


def _by_writers(item: Json) -> Json:
    metadata = {name: value for name, value in item["metadata"].items() if name not in _SERVERS_OWN}
    return {**item, "metadata": metadata}


def _admit(namespaces: Mapping[Key, Json], resource: str, namespace: str, name: str) -> None:
    """What the admission of NamespaceLifecycle minds; where a test has made no namespaces, nothing. Raises Refused."""
    if not namespace or not namespaces:
        return
    if ("", namespace) not in namespaces:
        raise not_found("namespaces", namespace)
    if namespaces["", namespace].get("status", {}).get("phase") == "Terminating":
        raise namespace_terminating(resource, name, namespace)


def _known(store: FakeStore, resource: str, key: Key) -> Json:
    found = store.objects[resource].get(key)
    if found is None:
        raise not_found(resource, key[1])
    return found


def _validate(resource: str, namespace: str, item: Json, before: Json | None = None) -> None:
    """What is minded about Events without eventTime and about slices. Raises Refused.

    kubernetes `pkg/apis/core/validation/events.go` and `pkg/apis/discovery/validation`.
    """
    name = item["metadata"].get("name", "")
    if resource == "events" and (its := item["involvedObject"].get("namespace")) != namespace:
        why = f'Invalid value: "{its}": does not match event.namespace'
        raise invalid("Event", name, "involvedObject.namespace", why)
    if resource != "endpointslices":
        return
    for number, endpoint in enumerate(item.get("endpoints") or ()):
        for place, address in enumerate(endpoint["addresses"]):
            if item["addressType"] != "FQDN" and (special := _special(ipaddress.ip_address(address))):
                why = f'Invalid value: "{address}": {special}'
                raise invalid(_SLICE, name, f"endpoints[{number}].addresses[{place}]", why)
    if before is not None and before["addressType"] != item["addressType"]:
        raise invalid(_SLICE, name, "addressType", f'Invalid value: "{item["addressType"]}": field is immutable')


def _special(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Why nobody's endpoint can be there; empty: it can."""
    if address.is_loopback:
        return "may not be in the loopback range (127.0.0.0/8, ::1/128)"
    if address.is_link_local:
        return "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
    return f"may not be unspecified ({address})" if address.is_unspecified else ""
