"""A connection that cannot be made is one endpoint's affair."""

from collections.abc import Callable, Mapping
from typing import Any

import grpc
import pytest

from tests.balance import fleet
from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.service import ARITIES, assign, in_flight
from tests.client.worlds import World
from trimtab.balance import Changes, Connectivity, Node
from trimtab.client import aio_channel as aio_channel_module
from trimtab.client import channel as channel_module
from trimtab.client.connections import TRY_AGAIN_S, Connection, Connections
from trimtab.errors import Unavailable
from trimtab.model import Endpoint


class Made:
    """A connection, and what it was given to report its states with."""

    channel = object()

    def __init__(self, report: Callable[[Connectivity], object]) -> None:
        self.report = report
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Service:
    """Connections in virtual time, of which some cannot be made."""

    def __init__(self, count: int) -> None:
        self.nodes = fleet.nodes(count)
        self.unmakable: set[Endpoint] = set()
        self.made: dict[Endpoint, Made] = {}
        self.states: dict[Node, Connectivity] = {}
        self.timers: list[tuple[float, Callable[[], object]]] = []
        self.connections = Connections(self._connect, self._told, lambda call, *args: call(*args), self._later)

    def _connect(self, endpoint: Endpoint, timeout_s: float, report: Callable[[Connectivity], object]) -> Connection:
        if endpoint in self.unmakable:
            raise RuntimeError("can't start new thread")
        made = self.made[endpoint] = Made(report)
        return made

    def _told(self, states: Mapping[Node, Connectivity]) -> None:
        self.states |= states

    def _later(self, delay_s: float, callback: Callable[..., object], *args: Any) -> None:
        self.timers.append((delay_s, lambda: callback(*args)))

    def open(self, *nodes: Node, anew: bool = False) -> None:
        self.connections.follow(Changes(opened=nodes), 5.0, anew=anew)

    def try_again(self) -> None:
        timers, self.timers = self.timers, []
        for delay_s, callback in timers:
            assert delay_s == TRY_AGAIN_S
            callback()


@pytest.mark.parametrize("anew", [False, True])
def test_it_counts_as_failed_and_the_others_are_made(anew: bool, caplog: pytest.LogCaptureFixture) -> None:
    service = Service(3)
    first, second, third = service.nodes
    service.unmakable = {first.endpoint}
    service.open(*service.nodes, anew=anew)
    assert set(service.made) == {second.endpoint, third.endpoint}
    for node in (second, third):
        service.made[node.endpoint].report(Connectivity.READY)
    ready = Connectivity.READY
    assert service.states == {first: Connectivity.TRANSIENT_FAILURE, second: ready, third: ready}
    assert f"{first.endpoint.authority}: no connection could be made: RuntimeError" in caplog.text
    assert "can't start new thread" in caplog.text


def test_who_calls_it_all_the_same_is_told_why() -> None:
    service = Service(1)
    service.unmakable = {service.nodes[0].endpoint}
    service.open(*service.nodes, anew=True)
    with pytest.raises(Unavailable, match="no connection could be made: RuntimeError"):
        service.nodes[0].transport.channel  # type: ignore[attr-defined]  # noqa: B018


def test_it_is_tried_again() -> None:
    service = Service(1)
    (node,) = service.nodes
    service.unmakable = {node.endpoint}
    service.open(node)
    service.try_again()
    assert not service.made
    service.unmakable = set()
    service.try_again()
    assert node.transport is service.made[node.endpoint]
    assert not service.timers


def test_it_is_not_tried_again_once_the_endpoint_left() -> None:
    service = Service(2)
    left, stays = service.nodes
    service.unmakable = {left.endpoint, stays.endpoint}
    service.open(left, stays)
    service.connections.follow(Changes(closed=(left,)), 5.0)
    service.unmakable = set()
    service.try_again()
    assert set(service.made) == {stays.endpoint}


def test_it_is_not_tried_again_once_the_channel_is_closed() -> None:
    service = Service(1)
    service.unmakable = {service.nodes[0].endpoint}
    service.open(*service.nodes)
    service.connections.close()
    service.unmakable = set()
    service.try_again()
    assert not service.made


@pytest.mark.parametrize("arity", ARITIES)
def test_its_callers_get_an_error_of_grpc(
    world: World, ads: AdsServer, backends: Callable[[int], list[Backend]], monkeypatch: pytest.MonkeyPatch, arity: str
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(channel_module, "SyncConnection", fail)
    monkeypatch.setattr(aio_channel_module, "AioConnection", fail)
    assign(ads, backends(1))
    channel = world.open(ads)
    with pytest.raises(grpc.RpcError) as caught:
        world.call(channel, arity, b"a", timeout=60)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert 'no connection could be made: RuntimeError("can\'t start new thread")' in str(caught.value.details())
    assert in_flight(channel) == 0
