"""The image can be built from what the Dockerfile copies, and runs as nobody in particular."""

import fnmatch
import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "Dockerfile").read_text().splitlines()


def copied() -> set[str]:
    """What is copied from the build context."""
    copies = [line.split()[1:-1] for line in LINES if line.startswith("COPY ") and "--from=" not in line]
    return {source for sources in copies for source in sources}


def packaged() -> set[str]:
    """What the package is built from, by pyproject.toml."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    about = project["project"]
    files = {"pyproject.toml", about["readme"], *about["license-files"]}
    return files | set(wheel["packages"]) | set(wheel.get("force-include", ()))


def test_everything_the_package_is_built_from_is_copied() -> None:
    missing = {path for path in packaged() if not any(Path(path).is_relative_to(source) for source in copied())}
    assert not missing


def test_everything_that_is_copied_is_let_through() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    for source in copied():
        ignored = False
        for rule in rules:
            pattern = rule.removeprefix("!")
            if fnmatch.fnmatch(source, pattern) or Path(source).is_relative_to(pattern):
                ignored = not rule.startswith("!")
        assert not ignored, source


def test_it_runs_as_the_user_that_the_deployment_names() -> None:
    (user,) = [line.split()[1] for line in LINES if line.startswith("USER ")]
    deployment = yaml.safe_load((ROOT / "deploy/kustomize/base/deployment.yaml").read_text())
    assert user == f"{deployment['spec']['template']['spec']['securityContext']['runAsUser']}:65532"


def test_the_last_stage_is_slim_and_takes_only_what_was_installed() -> None:
    last = max(number for number, line in enumerate(LINES) if line.startswith("FROM "))
    assert re.fullmatch(r"FROM python:3\.\d+-slim", LINES[last])
    assert [line for line in LINES[last:] if line.startswith(("COPY ", "RUN "))] == ["COPY --from=build /venv /venv"]
