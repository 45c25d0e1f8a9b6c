"""What the control plane said is kept on disk, and used when none answers at the start; over real gRPC."""

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually
from tests.client.service import NAME, assign
from tests.client.worlds import AnyChannel, World
from trimtab.model import Locality, LocalityEndpoints, Policy

StartBackends = Callable[[int], list[Backend]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIMTAB_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def gone(world: World, folder: Path, backends: StartBackends) -> Iterator[tuple[AdsServer, Backend]]:
    """A control plane that was heard once and is away, and the backend that it named."""
    (backend,) = backends(1)
    with AdsServer() as ads:
        assign(ads, [backend])
        ads.balance(NAME, Policy(max_connections=7))
        channel = world.open(ads)
        world.call(channel, "unary_unary", b"a", timeout=20)
        eventually(lambda: channel.cluster.policy.max_connections == 7)
        # Two writes: one for the endpoints, one for the policy that came beside.
        eventually(lambda: kept(folder) and b"max_connections" in kept(folder)[0].read_bytes())
        world.close(channel)
    yield ads, backend


def kept(folder: Path) -> list[Path]:
    return list(folder.glob("*.assignment"))


def stale(channel: AnyChannel) -> list[bool]:
    return [state.stale_s is not None for state in channel.explain()]


def test_a_channel_starts_without_a_control_plane_and_says_that_it_did(
    world: World, gone: tuple[AdsServer, Backend]
) -> None:
    ads, backend = gone
    channel = world.open(ads)
    assert world.call(channel, "unary_unary", b"a", timeout=20) == [b"a"]
    (state,) = channel.explain()
    assert (state.address, stale(channel)) == (backend.endpoint.authority, [True])
    assert "known from disk" in repr(channel)
    assert channel.cluster.policy.max_connections == 7
    # Whoever comes later is told at once.
    second = world.open(ads)
    assert world.call(second, "unary_unary", b"a", timeout=20) == [b"a"]
    assert stale(second) == [True]


def test_the_zone_is_known_from_disk_as_well(world: World, folder: Path, backends: StartBackends) -> None:
    (backend,) = backends(1)
    with AdsServer() as ads:
        ads.zone = "b"
        ads.assign_groups(NAME, LocalityEndpoints(Locality("eu", "b"), (backend.endpoint,)))
        ads.balance(NAME, Policy(zone="require"))
        channel = world.open(ads)
        world.call(channel, "unary_unary", b"a", timeout=20)
        eventually(lambda: channel.cluster.policy.zone == "require")
        eventually(lambda: kept(folder) and b"require" in kept(folder)[0].read_bytes())
        world.close(channel)
    channel = world.open(ads)
    assert world.call(channel, "unary_unary", b"a", timeout=20) == [b"a"]
    assert channel.explain().client_zone == "b"


def test_what_the_control_plane_says_takes_its_place(
    world: World, gone: tuple[AdsServer, Backend], backends: StartBackends
) -> None:
    (other,) = backends(1)
    channel = world.open(gone[0])
    world.call(channel, "unary_unary", b"a", timeout=20)
    with AdsServer(gone[0].port) as back:
        assign(back, [other])
        eventually(lambda: stale(channel) == [False])
        assert [state.address for state in channel.explain()] == [other.endpoint.authority]
        assert "known from disk" not in repr(channel)


def test_endpoints_of_a_service_that_is_no_more_are_used_no_more(
    world: World, folder: Path, gone: tuple[AdsServer, Backend]
) -> None:
    channel = world.open(gone[0])
    world.call(channel, "unary_unary", b"a", timeout=20)
    with AdsServer(gone[0].port) as back:
        back.refuse(NAME, "there is no service shop in namespace prod")
        eventually(lambda: not channel.explain())
        with pytest.raises(grpc.RpcError, match="there is no service shop"):
            world.call(channel, "unary_unary", b"a", timeout=20)
        eventually(lambda: not kept(folder))


def test_a_control_plane_that_answers_is_believed_over_the_disk(
    world: World, gone: tuple[AdsServer, Backend], backends: StartBackends
) -> None:
    (other,) = backends(1)
    with AdsServer(gone[0].port) as back:
        assign(back, [other])
        channel = world.open(back)
        world.call(channel, "unary_unary", b"a", timeout=20)
        assert [state.address for state in channel.explain()] == [other.endpoint.authority]
        assert stale(channel) == [False]


def test_without_a_folder_nothing_is_kept(
    world: World, ads: AdsServer, backends: StartBackends, tmp_path: Path
) -> None:
    assign(ads, backends(1))
    world.call(world.open(ads), "unary_unary", b"a", timeout=20)
    assert not list(tmp_path.rglob("*"))
