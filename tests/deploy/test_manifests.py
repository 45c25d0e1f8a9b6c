"""What is in deploy/ is what the Kubernetes API takes, and asks for no more than the control plane needs."""

import copy
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from trimtab.cli.serve import serve
from trimtab.control.kube.kinds import ALWAYS, PODS, Kind

DEPLOY = Path(__file__).parents[2] / "deploy"
VERSION = "1.36"


def documents(path: Path) -> list[Any]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def objects() -> list[Any]:
    """Every object, whole ones and patches."""
    paths = [path for path in sorted(DEPLOY.rglob("*.yaml")) if path.name != "kustomization.yaml"]
    return [
        pytest.param(path, item, id=f"{path.relative_to(DEPLOY)}:{item['kind']}")
        for path in paths
        for item in documents(path)
    ]


def base(name: str) -> Any:
    return documents(DEPLOY / "kustomize" / "base" / name)


def completed(item: Any) -> Any:
    """With the labels that the kustomization adds."""
    item = copy.deepcopy(item)
    if item["kind"] == "Deployment" and "selector" not in item["spec"]:
        item["spec"]["selector"] = {"matchLabels": {"app": "x"}}
        item["spec"]["template"]["metadata"] = {"labels": {"app": "x"}}
    return item


@pytest.mark.parametrize(("path", "item"), objects())
def test_every_object_fits_its_schema(path: Path, item: Any) -> None:
    kubernetes_validate.validate(completed(item), VERSION, strict=True)


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("kustomization.yaml")), ids=lambda path: path.parent.name)
def test_every_kustomization_names_what_is_there(path: Path) -> None:
    (kustomization,) = documents(path)
    for resource in kustomization["resources"]:
        assert (path.parent / resource).exists()
    for patch in kustomization.get("patches", ()):
        patched = documents(path.parent / patch["path"])[0]["metadata"] if "path" in patch else patch["target"]
        assert patched["name"] in [item["metadata"]["name"] for item in base("deployment.yaml")]


@pytest.mark.parametrize(("folder", "kinds"), [("base", ALWAYS), ("components/pods", (PODS,))])
def test_a_role_is_what_is_followed_and_no_more(folder: str, kinds: Sequence[Kind]) -> None:
    (role,) = [item for item in documents(DEPLOY / "kustomize" / folder / "rbac.yaml") if item["kind"] == "ClusterRole"]
    granted = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == {(kind.group, kind.resource, verb) for kind in kinds for verb in ("get", "list", "watch")}


def test_the_argument_that_asks_for_pods_is_one_of_the_command() -> None:
    (component,) = documents(DEPLOY / "kustomize/components/pods/kustomization.yaml")
    ((operation,),) = [yaml.safe_load(patch["patch"]) for patch in component["patches"]]
    assert operation["value"].removeprefix("--").replace("-", "_") in inspect.signature(serve).parameters


@pytest.mark.parametrize(
    "path", [DEPLOY / "kustomize/base/deployment.yaml", DEPLOY / "kustomize/overlays/ha/deployment.yaml"]
)
def test_the_arguments_are_those_of_the_command(path: Path) -> None:
    (deployment,) = documents(path)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    command, *arguments = container["args"]
    assert command == "serve"
    options = {argument.partition("=")[0].removeprefix("--").replace("-", "_") for argument in arguments}
    assert options <= inspect.signature(serve).parameters.keys()


def test_the_control_plane_runs_with_as_little_as_it_can() -> None:
    (deployment,) = base("deployment.yaml")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
