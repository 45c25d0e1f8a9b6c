"""What `kubectl apply -k` makes of a folder, as far as deploy/ uses kustomize: resources, labels and patches of two kinds."""

import copy
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]


def documents(path: Path) -> list[Any]:
    """The YAML documents in a file, without empty ones."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def build(folder: Path, *components: Path) -> list[Object]:
    """The objects, patched and labelled; with `components` as an overlay would have that adds them."""
    objects = _apply([], folder)
    for component in components:
        objects = _apply(objects, component)
    return objects


def _apply(objects: list[Object], folder: Path) -> list[Object]:
    (kustomization,) = documents(folder / "kustomization.yaml")
    for resource in kustomization["resources"]:
        path = folder / resource
        objects += build(path) if path.is_dir() else documents(path)
    for patch in kustomization.get("patches", ()):
        parts = documents(folder / patch["path"]) if "path" in patch else [yaml.safe_load(patch["patch"])]
        _patch(objects, parts, patch.get("target"))
    for pairs in (entry["pairs"] for entry in kustomization.get("labels", ())):
        for item in objects:
            _label(item, pairs)
    return objects


def _patch(objects: list[Object], patch: list[Any], target: Object | None) -> None:
    if target is None:
        for part in patch:
            item = _find(objects, part["kind"], part["metadata"]["name"])
            item.update(_merge(item, part))
    else:
        item = _find(objects, target["kind"], target["name"])
        for operation in (operation for part in patch for operation in part):
            _append(item, operation)


def _find(objects: list[Object], kind: str, name: str) -> Object:
    (found,) = [item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return found


def _merge(base: Any, patch: Any) -> Any:
    """A strategic merge: mappings by key, lists of named things by name, any other list as a whole."""
    if isinstance(base, dict) and isinstance(patch, dict):
        return base | {key: _merge(base.get(key), value) for key, value in patch.items()}
    if isinstance(base, list) and isinstance(patch, list) and all("name" in part for part in patch):
        known = {part["name"]: part for part in base}
        return list((known | {part["name"]: _merge(known.get(part["name"]), part) for part in patch}).values())
    return copy.deepcopy(patch)


def _append(item: Object, operation: Object) -> None:
    """The one JSON patch there is: something more at the end of a list."""
    assert operation["op"] == "add"
    *path, end = operation["path"].strip("/").split("/")
    assert end == "-"
    place: Any = item
    for step in path:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place.append(operation["value"])


def _label(item: Object, pairs: dict[str, str]) -> None:
    _add(item["metadata"].setdefault("labels", {}), pairs)
    if item["kind"] == "Deployment":
        _add(item["spec"].setdefault("selector", {}).setdefault("matchLabels", {}), pairs)
        _add(item["spec"]["template"].setdefault("metadata", {}).setdefault("labels", {}), pairs)
    elif item["kind"] == "Service":
        _add(item["spec"].setdefault("selector", {}), pairs)
    elif "matchLabels" in item.get("spec", {}).get("podSelector", {}):
        _add(item["spec"]["podSelector"]["matchLabels"], pairs)


def _add(labels: dict[str, str], pairs: dict[str, str]) -> None:
    labels.update(pairs)
