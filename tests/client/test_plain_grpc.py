"""Past the control plane: a service turned back to plain DNS by its policy, and channels that never reached a control plane."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import grpc
import pytest

import trimtab
from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually
from tests.client.service import NAME, TARGET, assign
from tests.client.worlds import AnyChannel, World
from trimtab.client import cluster
from trimtab.model import Policy, Shards

Backends = Callable[[int], list[Backend]]


def plain(backend: Backend, **more: object) -> Policy:
    """The policy that sends calls to what DNS says of localhost, where `backend` is."""
    return replace(Policy(mode="passthrough", dns=f"localhost:{backend.port}"), **more)  # type: ignore[arg-type]


def call(world: World, channel: AnyChannel, **options: object) -> None:
    assert world.call(channel, "unary_unary", b"a", **options) == [b"a"]


class Caller:
    """Calls without end in a thread of its own, and keeps what went wrong."""

    def __init__(self, world: World, channel: AnyChannel) -> None:
        self.errors: list[Exception] = []
        self.calls = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(world, channel))
        self._thread.start()

    def _run(self, world: World, channel: AnyChannel) -> None:
        while not self._ended.is_set():
            try:
                call(world, channel)
            except grpc.RpcError as error:
                self.errors.append(error)
            self.calls += 1

    def end(self) -> None:
        self._ended.set()
        self._thread.join()


def test_a_service_goes_back_to_plain_dns_and_returns_without_a_call_lost(
    world: World, ads: AdsServer, backends: Backends
) -> None:
    by_xds, by_dns = backends(2), backends(1)[0]
    assign(ads, by_xds)
    ads.balance(NAME, Policy())
    channel = world.open(ads)
    slow = world.begin(channel, "unary_unary", b"slow")
    eventually(lambda: any(backend.entered.acquire(blocking=False) for backend in by_xds))
    caller = Caller(world, channel)
    ads.balance(NAME, plain(by_dns))
    eventually(lambda: by_dns.calls > 20)
    there = channel.explain()
    assert there.where == f"plain gRPC to dns:///localhost:{by_dns.port}: policy.mode is passthrough"
    assert [state.address for state in there] == [f"dns:///localhost:{by_dns.port}"]
    before = sum(backend.calls for backend in by_xds)
    ads.balance(NAME, Policy())
    eventually(lambda: sum(backend.calls for backend in by_xds) > before + 20)
    caller.end()
    assert not caller.errors
    assert channel.explain().where == "the control plane"
    for backend in by_xds:
        backend.release.set()
    assert slow.responses() == [b"slow"], "what was under way when the switch was thrown goes on to its end"


def test_endpoints_that_change_meanwhile_are_there_on_return(world: World, ads: AdsServer, backends: Backends) -> None:
    first, second, by_dns = backends(3)
    assign(ads, [first])
    ads.balance(NAME, plain(by_dns))
    channel = world.open(ads)
    eventually(lambda: "passthrough" in channel.explain().where)
    call(world, channel)
    assert (first.calls, by_dns.calls) == (0, 1)
    assign(ads, [second])
    call(world, channel)
    ads.balance(NAME, Policy())
    eventually(lambda: channel.explain().where == "the control plane")
    call(world, channel)
    assert (first.calls, second.calls, by_dns.calls) == (0, 1, 2)


def test_a_policy_given_in_code_may_say_so_too_and_asks_nobody(
    world: World, ads: AdsServer, backends: Backends
) -> None:
    by_dns = backends(1)[0]
    call(world, world.open(ads, policy=plain(by_dns)))
    assert by_dns.calls == 1


def test_dns_does_not_know_shards(world: World, ads: AdsServer, backends: Backends) -> None:
    by_dns = backends(1)[0]
    channel = world.open(ads, f"{TARGET}/shard=7", policy=plain(by_dns))
    with pytest.raises(grpc.RpcError, match=r"DNS does not know which endpoints have the label shard=7"):
        call(world, channel)
    anywhere = plain(by_dns, shards=Shards(unmatched="any"))
    call(world, world.open(ads, f"{TARGET}/shard=7", policy=anywhere))
    with trimtab.attributes(shard=8):
        call(world, world.open(ads, policy=anywhere))


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "FALLBACK_AFTER_S", 0.2)


@pytest.fixture
def nobody(ads: AdsServer) -> Iterator[int]:
    """A port on which no control plane listens any more."""
    with AdsServer() as gone:
        pass
    yield gone.port


@pytest.mark.usefixtures("soon")
def test_who_never_reached_a_control_plane_falls_back_and_returns_when_there_is_one(
    world: World, nobody: int, backends: Backends
) -> None:
    by_xds, by_dns = backends(2)
    fallback = f"dns:///localhost:{by_dns.port}"
    channel = world.open(None, control_plane=f"127.0.0.1:{nobody}", fallback=fallback)
    call(world, channel)
    assert by_dns.calls == 1
    assert channel.explain().where == f"plain gRPC to {fallback}: no control plane was ever reached"
    caller = Caller(world, channel)
    with AdsServer(nobody) as control_plane:
        assign(control_plane, [by_xds])
        eventually(lambda: by_xds.calls > 20)
        caller.end()
    assert not caller.errors
    assert channel.explain().where == "the control plane"
    call(world, channel)
    assert channel.explain().where == "the control plane", "and stays with what it knows when that is gone again"


@pytest.mark.usefixtures("soon")
def test_a_control_plane_that_answers_needs_no_fallback(world: World, ads: AdsServer, backends: Backends) -> None:
    by_xds, by_dns = backends(2)
    ads.refuse(NAME, "there is no service shop")
    channel = world.open(ads, fallback=f"dns:///localhost:{by_dns.port}")
    with pytest.raises(grpc.RpcError, match="there is no service shop"):
        call(world, channel)
    assign(ads, [by_xds])
    call(world, channel, wait_for_ready=True)
    assert (by_xds.calls, by_dns.calls) == (1, 0)
