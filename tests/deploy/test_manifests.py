"""What is in deploy/ is what the Kubernetes API takes, fits together, and asks for no more than the control plane needs."""

import inspect
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.cli.serving import failing
from tests.deploy.kustomize import Object, build, documents
from trimtab.cli.admin_client import DEFAULT_ADMIN
from trimtab.cli.serve import serve
from trimtab.control.kube.kinds import ALWAYS, PODS, Kind
from trimtab.control.policy_defaults import PolicyDefaults

DEPLOY = Path(__file__).parents[2] / "deploy"
BASE, OVERLAYS, PODS_TOO = (DEPLOY / "kustomize" / part for part in ("base", "overlays", "components/pods"))
FOLDERS = [(BASE,), (BASE, PODS_TOO), *((folder,) for folder in sorted(OVERLAYS.iterdir()))]
EXAMPLES = sorted((DEPLOY / "examples").iterdir())
VERSION = "1.36"
TLS = {"tls.crt", "tls.key", "ca.crt"}
"""What cert-manager puts into a Secret."""
TRIMTAB = f"{shlex.quote(sys.executable)} -m trimtab.cli"

each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: "+".join(part.name for part in folder))


def one(objects: list[Object], kind: str, name: str = "trimtab") -> Object:
    (found,) = [item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return found


def pod(*folder: Path) -> tuple[Any, Any]:
    """The Pod of the control plane, and its container."""
    spec = one(build(*folder), "Deployment")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    return spec, container


def arguments(*folder: Path) -> dict[str, str]:
    """The options that the control plane is started with."""
    command, *options = pod(*folder)[1]["args"]
    assert command == "serve"
    return {name: value for name, _, value in (option.removeprefix("--").partition("=") for option in options)}


@each_folder
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl to ask what it would apply")
def test_what_is_applied_is_what_these_tests_look_at(folder: tuple[Path, ...], tmp_path: Path) -> None:
    place, *components = (os.path.relpath(part, tmp_path) for part in folder)
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({"resources": [place], "components": components}))
    ended = failing("kubectl", "kustomize", str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    applied = [item for item in yaml.safe_load_all(ended.stdout) if item]
    assert sorted(map(comparable, applied)) == sorted(map(comparable, build(*folder)))


def comparable(item: Object) -> str:
    """An object without its namespace, which only kubectl fills in, and without an order among things that have names."""

    def sorted_by_name(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: sorted_by_name(part) for key, part in value.items()}
        if isinstance(value, list) and all(isinstance(part, dict) and "name" in part for part in value):
            return sorted(map(sorted_by_name, value), key=lambda part: str(part["name"]))
        return value

    metadata = {key: value for key, value in item["metadata"].items() if key != "namespace"}
    return json.dumps(sorted_by_name({**item, "metadata": metadata}), sort_keys=True)


@each_folder
def test_what_is_applied_fits_its_schema(folder: tuple[Path, ...]) -> None:
    for item in build(*folder):
        kubernetes_validate.validate(item, VERSION, strict=True)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_fit_their_schema(path: Path) -> None:
    for item in documents(path):
        # Those of cert-manager come with cert-manager.
        if not item["apiVersion"].startswith("cert-manager.io/"):
            kubernetes_validate.validate(item, VERSION, strict=True)


@each_folder
def test_selectors_select_the_pod(folder: tuple[Path, ...]) -> None:
    objects = build(*folder)
    labels = one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    for item in objects:
        spec = item.get("spec", {})
        if item["kind"] == "Service":
            assert spec["selector"].items() <= labels.items()
        for selector in (spec.get("selector"), spec.get("podSelector")):
            if selector and "matchLabels" in selector:
                assert selector["matchLabels"].items() <= labels.items()


@each_folder
def test_the_arguments_are_those_of_the_command(folder: tuple[Path, ...]) -> None:
    names = {name.replace("-", "_") for name in arguments(*folder)}
    assert names <= inspect.signature(serve).parameters.keys()


@each_folder
def test_every_port_that_is_named_is_a_port_of_the_container(folder: tuple[Path, ...]) -> None:
    container = pod(*folder)[1]
    names = {port["name"] for port in container["ports"]}
    numbers = {port["containerPort"] for port in container["ports"]}
    listening = {int(arguments(*folder)[option].rpartition(":")[2]) for option in ("listen", "admin")}
    assert listening == numbers
    probes = [container[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    objects = build(*folder)
    targets = [port["targetPort"] for item in objects if item["kind"] == "Service" for port in item["spec"]["ports"]]
    policy = one(objects, "NetworkPolicy")
    allowed = [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]]
    assert {*probes, *targets, *allowed} == names


@each_folder
def test_the_control_plane_runs_with_as_little_as_it_can(folder: tuple[Path, ...]) -> None:
    spec, container = pod(*folder)
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()


@each_folder
def test_what_is_written_or_read_is_mounted(folder: tuple[Path, ...]) -> None:
    spec, container = pod(*folder)
    volumes = {volume["name"] for volume in spec["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert {mount["name"] for mount in mounts.values()} == volumes
    for option, value in arguments(*folder).items():
        if value.startswith("/"):
            (mount,) = [mount for path, mount in mounts.items() if Path(value).is_relative_to(path)]
            assert mount.get("readOnly", False) is (option != "state-dir")
            # Files that change must be seen to change.
            assert "subPath" not in mount


@each_folder
def test_commands_in_the_pod_find_its_admin_port_by_themselves(folder: tuple[Path, ...]) -> None:
    host, _, port = arguments(*folder)["admin"].rpartition(":")
    assert (host, port) == ("0.0.0.0", DEFAULT_ADMIN.rpartition(":")[2])


def test_the_configuration_is_one() -> None:
    configuration = one(build(BASE), "ConfigMap")["data"]
    PolicyDefaults.parse(configuration[Path(arguments(BASE)["config"]).name])


@pytest.mark.parametrize(("folder", "kinds"), [((BASE,), ALWAYS), ((BASE, PODS_TOO), (*ALWAYS, PODS))])
def test_the_roles_are_what_is_followed_and_events_and_no_more(folder: tuple[Path, ...], kinds: Sequence[Kind]) -> None:
    granted = {
        (group, resource, verb)
        for role in build(*folder)
        if role["kind"] == "ClusterRole"
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    followed = {(kind.group, kind.resource, verb) for kind in kinds for verb in ("get", "list", "watch")}
    assert granted == followed | {("", "events", "create"), ("", "events", "patch")}


def test_replicas_are_kept_apart_and_find_each_other() -> None:
    objects = build(OVERLAYS / "ha")
    deployment = one(objects, "Deployment")
    assert deployment["spec"]["replicas"] > 1
    assert one(objects, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    service, _, port = arguments(OVERLAYS / "ha")["peer-service"].partition(":")
    assert service == "trimtab.trimtab"
    assert int(port) in [entry["port"] for entry in one(objects, "Service")["spec"]["ports"]]


def test_mutual_tls_has_the_certificates_that_it_names() -> None:
    folder = OVERLAYS / "mtls"
    spec = pod(folder)[0]
    (secret,) = [volume["secret"]["secretName"] for volume in spec["volumes"] if volume["name"] == "tls"]
    files = {Path(value).name for option, value in arguments(folder).items() if option.startswith("tls-")}
    assert files == TLS
    certificates = documents(DEPLOY / "examples" / "cert-manager.yaml")
    (certificate,) = [item for item in certificates if item["spec"].get("secretName") == secret]
    assert certificate["metadata"]["namespace"] == "trimtab"
    # The names that clients are told in the examples, and that replicas ask each other for.
    assert {"trimtab.trimtab", "trimtab.trimtab.svc"} <= set(certificate["spec"]["dnsNames"])
    assert {"server auth", "client auth"} <= set(certificate["spec"]["usages"])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_commands_in_examples_are_commands(path: Path, tmp_path: Path) -> None:
    for item in documents(path):
        for container in item["spec"].get("template", {}).get("spec", {}).get("initContainers", ()):
            ended = failing(*_command(container, tmp_path))
            assert ended.returncode == 0, ended.stderr


def test_envoy_is_the_one_of_the_tests_and_takes_traffic(tmp_path: Path) -> None:
    deployment, service = documents(DEPLOY / "examples" / "envoy.yaml")
    spec = deployment["spec"]["template"]["spec"]
    (bootstrap,), (envoy,) = spec["initContainers"], spec["containers"]
    pinned = re.search(r"^ENVOY_VERSION := (.*)$", (DEPLOY.parent / "Makefile").read_text(), re.MULTILINE)
    assert pinned is not None
    assert envoy["image"] == f"envoyproxy/envoy:v{pinned[1]}"
    ended = failing(*_command(bootstrap, tmp_path))
    assert ended.returncode == 0, ended.stderr
    (listener,) = json.loads((tmp_path / "envoy.json").read_text())["static_resources"]["listeners"]
    (port,) = envoy["ports"]
    assert listener["address"]["socket_address"] == {"address": "0.0.0.0", "port_value": port["containerPort"]}
    assert envoy["readinessProbe"]["tcpSocket"]["port"] == port["name"]
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert [entry["targetPort"] for entry in service["spec"]["ports"]] == [port["name"]]


def _command(container: Object, folder: Path) -> list[str]:
    """What a container of our image runs, here; what it would write goes to `folder`."""
    if "command" not in container:
        return [*shlex.split(TRIMTAB), *(re.sub("--into=.*", f"--into={folder}", part) for part in container["args"])]
    line, _, _ = container["command"][-1].partition(" > ")
    return shlex.split(re.sub("^trimtab", TRIMTAB, line))
