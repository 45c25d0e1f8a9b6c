"""`trimtab serve --config`: policy defaults in a file that is mounted as Kubernetes mounts a ConfigMap."""

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import run
from tests.cli.serving import PATIENCE_S, Serving, command, failing, serving
from tests.control.test_manifests import SERVICE, SLICE
from tests.control.xds_client import until

ANNOTATED = SERVICE.replace(
    "name: payments,", 'name: payments, annotations: {trimtab.dev/policy: "max_connections: 7"},'
)


class ConfigMap:
    """A volume: what is in it are links through a folder that is swapped in one rename."""

    def __init__(self, folder: Path, text: str) -> None:
        self._folder = folder
        self._versions = 0
        folder.mkdir()
        self.file = folder / "trimtab.yaml"
        self.file.symlink_to("..data/trimtab.yaml")
        self.put(text)

    def put(self, text: str) -> None:
        self._versions += 1
        version = self._folder / f"..{self._versions}"
        version.mkdir()
        (version / "trimtab.yaml").write_text(text)
        draft = self._folder / "..data_tmp"
        draft.symlink_to(version.name)
        draft.replace(self._folder / "..data")


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "payments.yaml").write_text(ANNOTATED + "---" + SLICE)
    (folder / "orders.yaml").write_text(SERVICE.replace("payments", "orders"))
    (folder / "lab.yaml").write_text(SERVICE.replace("prod", "lab"))
    return folder


def asked(running: Serving, path: str) -> Any:
    with urllib.request.urlopen(f"http://{running.admin}{path}", timeout=PATIENCE_S) as response:
        return response.read().decode()


def policies(running: Serving) -> dict[str, Any]:
    return {report["service"]: report["policy"] for report in json.loads(asked(running, "/debug/services"))}


async def test_defaults_are_given_and_followed_and_a_mistake_keeps_them(manifests: Path, tmp_path: Path) -> None:
    config = ConfigMap(
        tmp_path / "config", "policy: {slow_start_s: 30}\nnamespaces: {prod: {policy: {load: peak_ewma}}}"
    )
    with serving(manifests, "--config", str(config.file)) as running:
        before = {
            "lab": {"slow_start_s": 30.0},
            "prod": {"slow_start_s": 30.0, "load": "peak_ewma"},
            "annotated": {"slow_start_s": 30.0, "load": "peak_ewma", "max_connections": 7},
        }
        assert policies(running) == {
            "payments.lab:8080": before["lab"],
            "orders.prod:8080": before["prod"],
            "payments.prod:8080": before["annotated"],
        }
        config.put("policy: {slow_start: 10}")
        problem = running.event("policy defaults refused, the last good ones stay")["problem"]
        assert problem == f"{config.file}: policy.slow_start: there is no such field; did you mean slow_start_s?"
        assert "trimtab_policy_defaults_refused 1.0" in asked(running, "/metrics")
        shown = await run("status", "--admin", running.admin)
        assert "policy defaults refused, the last good ones stay: " in shown.stdout
        assert policies(running)["payments.lab:8080"] == before["lab"]
        config.put("namespaces: {lab: {policy: {strategy: round_robin}}}")
        assert running.event("policy defaults taken up")["services_changed"] == 3
        assert policies(running) == {
            "payments.lab:8080": {"strategy": "round_robin"},
            "orders.prod:8080": {},
            "payments.prod:8080": {"max_connections": 7},
        }
        assert "trimtab_policy_defaults_refused 0.0" in asked(running, "/metrics")


async def test_a_mistake_at_the_start_keeps_nobody_from_serving(manifests: Path, tmp_path: Path) -> None:
    config = ConfigMap(tmp_path / "config", "policy: [")
    with serving(manifests, "--config", str(config.file)) as running:
        assert policies(running)["payments.lab:8080"] == {}
        config.put("policy: {slow_start_s: 30}")
        await until(lambda: policies(running)["payments.lab:8080"] == {"slow_start_s": 30.0})


def test_a_file_that_is_not_there_is_a_clear_error(manifests: Path, tmp_path: Path) -> None:
    ended = failing(*command(manifests, "--config", str(tmp_path / "nowhere")))
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith("trimtab serve: --config: there is no file ")


def test_translate_gives_the_same_defaults_and_names_a_mistake(manifests: Path, tmp_path: Path) -> None:
    config = tmp_path / "trimtab.yaml"
    translate = (sys.executable, "-m", "trimtab.cli", "translate", "-f", str(manifests), "--type", "cds")
    config.write_text("namespaces: {lab: {policy: {connect_timeout_s: 1.5}}}")
    ended = failing(*translate, "--config", str(config), "payments.lab")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert '"1.500s"' in ended.stdout
    config.write_text("policies: {}")
    ended = failing(*translate, "--config", str(config))
    assert ended.returncode == 1
    assert f"trimtab translate: {config}: policies: there is no such setting" in ended.stderr
