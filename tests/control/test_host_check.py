"""Which Host headers are answered: none that a page in somebody's browser could bring along."""

import pytest

from trimtab.control.host_check import is_own_host


@pytest.mark.parametrize(
    "header",
    [
        "127.0.0.1:8080",
        "127.0.0.1",
        "[::1]:8080",
        "10.1.2.3:8080",
        "localhost:8080",
        "LOCALHOST",
        "localhost.:8080",
        "trimtab.mesh.svc:8080",
        "trimtab.mesh.svc.cluster.local",
        "admin.internal:8080",
        "",
    ],
)
def test_own_hosts(header: str) -> None:
    assert is_own_host(header, "admin.internal")


@pytest.mark.parametrize(
    "header",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8080",
        "svc",
        "evilsvc:8080",
        "cluster.local",
        "[::1].evil.example",
        "admin.internal.evil.example",
        "127.0.0.1@evil.example",
    ],
)
def test_others(header: str) -> None:
    assert not is_own_host(header, "admin.internal")
