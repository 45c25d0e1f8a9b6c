import socket

import pytest

from trimtab.demo import pod as pod_module
from trimtab.demo.pod import reserved_pods


def test_every_pod_has_an_address_of_its_own() -> None:
    with reserved_pods(5) as pods:
        assert len({pod.authority for pod in pods}) == 5
        assert len({pod.zone for pod in pods}) == 3


def test_nobody_else_gets_a_reserved_address_and_a_server_that_shares_the_port_does() -> None:
    with reserved_pods(1) as (pod,), socket.socket() as stranger, socket.socket() as server:
        with pytest.raises(OSError, match="in use"):
            stranger.bind((pod.address, pod.port))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind((pod.address, pod.port))


def test_where_loopback_has_one_address_pods_differ_by_port(monkeypatch: pytest.MonkeyPatch) -> None:
    really_bound = pod_module._bound

    def only_localhost(address: str, port: int) -> socket.socket:
        if address != "127.0.0.1":
            raise OSError(49, "Can't assign requested address")
        return really_bound(address, port)

    monkeypatch.setattr(pod_module, "_bound", only_localhost)
    with reserved_pods(4) as pods:
        assert {pod.address for pod in pods} == {"127.0.0.1"}
        assert len({pod.port for pod in pods}) == 4
