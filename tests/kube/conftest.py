"""For every test here: it runs against the pretended API server, and against a real one where there is one."""

from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest

from tests.control.kube.json_objects import Json
from tests.kube.api_server import ApiServer
from tests.kube.pretended_api_server import pretended_api_server
from tests.kube.real_api_server import REAL, tail

_PROD: Json = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "prod"}}


@pytest.fixture(params=[pytest.param(pretended_api_server, id="pretended"), REAL])
async def api(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ApiServer]:
    """A server with a namespace to work in."""
    async with request.param(tmp_path) as server:
        await server.put(_PROD)
        yield server


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three servers start on a machine that may be busy, and what was not permitted is asked for again after a minute."""
    monkeypatch.setattr("tests.control.kube.following.PATIENCE_S", 180.0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows what the servers said last."""
    report = yield
    server = item.funcargs.get("api")
    if report.failed and isinstance(server, ApiServer):
        report.sections += [(log.name, tail(log)) for log in sorted(server.folder.glob("*.log"))]
    return report
