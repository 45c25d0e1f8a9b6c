"""For every test that starts servers."""

import pytest


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three servers start on a machine that may be busy."""
    monkeypatch.setattr("tests.control.kube.following.PATIENCE_S", 90.0)
