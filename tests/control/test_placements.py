"""Endpoints are made anew where something about them changed, and not otherwise."""

import msgspec

from tests.control.objects import endpoint, node, pod
from trimtab.control.kubernetes import Node
from trimtab.control.placements import Placements
from trimtab.control.pods import Pods
from trimtab.model import Locality


class Service:
    """One service, the Node and the Pod of its endpoint."""

    def __init__(self) -> None:
        self.node: Node | None = node("n1", "eu", "a")
        self.pods = Pods()
        self.listed = endpoint("10.0.0.1", pod="p1", node="n1")
        self.placements = Placements("prod", lambda _: self.node, self.pods)

    def place(self, port: int = 80) -> object:
        self.placements.begin()
        return self.placements.place(self.listed, port)


def test_what_did_not_change_is_the_same_object() -> None:
    service = Service()
    assert service.place() is service.place()


def test_a_node_that_says_something_else_counts() -> None:
    service = Service()
    service.place()
    service.node = node("n1", "eu", "b")
    service.placements.begin()
    assert service.placements.place(service.listed, 80)[1] == Locality("eu", "b")
    service.node = None
    service.placements.begin()
    assert service.placements.place(service.listed, 80)[1] == Locality()


def test_a_pod_that_says_something_else_counts() -> None:
    service = Service()
    service.place()
    service.pods.put(msgspec.structs.replace(pod("p1", shard="7"), ready_since=12.0))
    service.placements.begin()
    found, _ = service.placements.place(service.listed, 80)
    assert (found.labels, found.ready_since) == ((("shard", "7"),), 12.0)


def test_ports_are_told_apart() -> None:
    service = Service()
    service.placements.begin()
    assert [service.placements.place(service.listed, port)[0].port for port in (80, 81)] == [80, 81]


def test_what_was_not_asked_for_again_is_forgotten() -> None:
    service = Service()
    service.place()
    for _ in range(2):
        service.placements.begin()
    assert not service.placements._last
