"""Losing the API server, or its mind, empties nobody's view. Over real connections."""

import contextlib
import json
import threading
import time
from pathlib import Path

import msgspec
import pytest

from tests.control.kube.fake_api_server import FakeApiServer, Fault, fake_api_server
from tests.control.kube.following import Follower, following
from tests.control.kube.json_objects import Json, endpoint_slice, service
from trimtab.control.kube import reflector, watch_source
from trimtab.control.kube.state_dir import FILE, State, StateDir
from trimtab.control.kube.withdrawal_guard import GuardSettings
from trimtab.control.kubernetes import EndpointSlice, Service
from trimtab.errors import ClusterError
from trimtab.model import Health, ServiceRef

QUICK = GuardSettings(second_look_after_s=0.2)
COUNT = 5


def shop() -> list[Json]:
    """Five services of two endpoints each."""
    return [
        item
        for n in range(COUNT)
        for item in (service(f"s{n}"), endpoint_slice(f"10.0.{n}.1", f"10.0.{n}.2", name=f"s{n}-1", of=f"s{n}"))
    ]


def ref(n: int) -> ServiceRef:
    return ServiceRef(f"s{n}", "prod", "8080")


def healthy(follower: Follower) -> int:
    return sum(len(follower.addresses(ref(n), Health.HEALTHY)) for n in range(COUNT))


def draining(follower: Follower) -> int:
    return sum(len(follower.addresses(ref(n), Health.DRAINING)) for n in range(COUNT))


async def test_an_empty_list_is_not_believed_at_first() -> None:
    """A server that answers from an empty cache: everything is gone in the list that follows a 410."""
    async with fake_api_server(*shop()) as api, following(api.url, guard=QUICK) as follower:
        everything = dict(api.store.objects["endpointslices"])
        # The second look has to wait until its fault is over.
        api.fail("endpointslices", Fault(), *[Fault(status=503)] * 2)
        api.cut("endpointslices")
        api.store.objects["endpointslices"].clear()
        api.store.revision += 1
        api.forget()
        await follower.until(lambda: draining(follower) == 2 * COUNT)
        assert follower.source.guard.holding == 2 * COUNT
        assert any("second look" in problem for problem in follower.source.problems)
        api.put(*everything.values())
        await follower.until(lambda: healthy(follower) == 2 * COUNT and follower.source.guard.holding == 0)
        assert not follower.withdrawn


async def test_a_true_mass_withdrawal_is_confirmed_by_a_consistent_list() -> None:
    async with fake_api_server(*shop()) as api, following(api.url, guard=QUICK) as follower:
        seen = len(api.requests)
        for n in range(COUNT):
            api.delete("endpointslices", "prod", f"s{n}-1")
        await follower.until(lambda: follower.source.guard.trips == 1)
        await follower.until(lambda: healthy(follower) == draining(follower) == 0)
        looks = [query for path, query in api.requests[seen:] if path.endswith("/endpointslices") and "limit" in query]
        assert looks
        assert all("resourceVersion" not in query for query in looks)


async def test_what_is_held_stays_held_while_nobody_can_confirm_it() -> None:
    async with fake_api_server(*shop()) as api, following(api.url, guard=QUICK) as follower:
        for n in range(COUNT):
            api.put(endpoint_slice(name=f"s{n}-1", of=f"s{n}"))
        await follower.until(lambda: draining(follower) == 2 * COUNT)
        api.access.denied = {"endpointslices"}
        api.cut()
        await follower.until(lambda: not follower.source.connected)
        assert draining(follower) == 2 * COUNT
        api.access.denied = set()
        await follower.until(lambda: draining(follower) == 0)


@pytest.mark.parametrize("lost", [False, True])
async def test_a_server_too_busy_to_list_what_there_is_now_does_not_leave_anybody_blank(
    lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cache is served, and what happened since; what is gone is found once it lists again."""
    monkeypatch.setattr(reflector, "_CACHE_AFTER", 1)
    async with fake_api_server(*shop()) as api:
        api.freeze_cache()
        api.delete("endpointslices", "prod", "s0-1")
        if lost:
            # Nobody will tell of it.
            api.forget()
        api.refuses_consistent_reads = True
        async with following(api.url) as follower:
            await follower.until(lambda: healthy(follower) == 2 * COUNT - (0 if lost else 2))
            assert any("cache" in problem for problem in follower.source.problems)
            assert {feed.looks for feed in follower.source._feeds} == {0}
            api.refuses_consistent_reads = False
            api.end()
            await follower.until(lambda: not any("cache" in problem for problem in follower.source.problems))
            await follower.until(lambda: healthy(follower) == 2 * COUNT - 2)


@pytest.mark.parametrize("busy", [False, True])
async def test_what_a_cache_had_is_not_saved(busy: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It may be older than it looks, and must not get a date."""
    monkeypatch.setattr(reflector, "_CACHE_AFTER", 1)
    async with fake_api_server(*shop()) as api:
        api.refuses_consistent_reads = busy
        async with following(api.url, state=tmp_path) as follower:
            await follower.until(lambda: healthy(follower) == 2 * COUNT)
    assert is_saved(tmp_path) is not busy


def is_saved(folder: Path) -> bool:
    return (folder / FILE).exists()


async def test_one_service_scaled_to_zero_is_gone_at_once() -> None:
    async with fake_api_server(*shop()) as api, following(api.url) as follower:
        api.put(endpoint_slice(name="s0-1", of="s0"))
        await follower.until(lambda: follower.addresses(ref(0)) == [])
        assert follower.source.guard.trips == 0


def has_heard(follower: Follower, slice_name: str, count: int) -> bool:
    """Whether the source has been told of a slice with so many endpoints, whatever it makes of it."""
    for item in follower.source.known():
        if isinstance(item, EndpointSlice) and item.metadata.name == slice_name:
            return len(item.endpoints or ()) == count
    return False


@pytest.mark.parametrize("broken", [False, True])
async def test_an_endpoint_that_moves_between_slices_is_never_gone(broken: bool) -> None:
    """The slice it leaves may change before the one it goes to, and the watch may break off in between."""
    both = endpoint_slice("10.0.0.1", "10.0.0.2")
    async with fake_api_server(service(), both) as api, following(api.url, clock=lambda: 0.0) as follower:
        api.put(endpoint_slice("10.0.0.1"))
        await follower.until(lambda: has_heard(follower, "payments-1", 1))
        if broken:
            # It is away for longer than it takes for things to settle.
            api.fail("endpointslices", *[Fault(status=503)] * 4)
            api.cut("endpointslices")
        api.put(endpoint_slice("10.0.0.2", name="payments-2"))
        await follower.until(lambda: len(follower.objects) == 3)
        assert follower.addresses() == ["10.0.0.1", "10.0.0.2"]
        assert not follower.withdrawn


async def test_state_is_saved_and_stands_in_for_an_api_server_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_source, "_RESTORE_AFTER_S", 0.2)
    async with fake_api_server(*shop()) as api:
        async with following(api.url, state=tmp_path) as follower:
            before = follower.objects
        port, url, store = api.port, api.url, api.store
    async with following(url, state=tmp_path, guard=QUICK) as follower:
        assert follower.objects == before
        assert follower.source.stale_since is not None
        assert healthy(follower) == 2 * COUNT
        # It comes back, and much has happened.
        back = FakeApiServer(store)
        for n in range(COUNT - 1):
            back.put(endpoint_slice(f"10.1.{n}.1", name=f"s{n}-1", of=f"s{n}"))
        back.delete("services", "prod", f"s{COUNT - 1}")
        await back.start(port)
        try:
            await follower.until(lambda: follower.source.stale_since is None)
            await follower.until(lambda: follower.source.guard.holding == 0)
            assert follower.addresses(ref(0)) == ["10.1.0.1"]
            assert follower.catalog.get(ref(COUNT - 1)) is None
        finally:
            await back.stop()


async def test_state_has_no_effect_where_the_api_server_answers(tmp_path: Path) -> None:
    async with fake_api_server(*shop()) as api:
        async with following(api.url, state=tmp_path):
            pass
        api.delete("services", "prod", "s0")
        async with following(api.url, state=tmp_path) as follower:
            assert follower.source.stale_since is None
            assert follower.catalog.get(ref(0)) is None
            assert follower.source.guard.trips == 0


async def test_stale_state_is_not_saved_as_if_it_were_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_source, "_RESTORE_AFTER_S", 0.1)
    async with fake_api_server(*shop()) as api:
        async with following(api.url, state=tmp_path):
            pass
        url = api.url
    before = (tmp_path / FILE).read_bytes()
    async with following(url, state=tmp_path) as follower:
        assert follower.source.stale_since is not None
    assert (tmp_path / FILE).read_bytes() == before


async def test_a_disk_that_hangs_holds_up_no_news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_source, "_SAVE_S", 0.0)
    hangs, works, save = threading.Event(), threading.Event(), StateDir.save

    def hang(state_dir: StateDir, state: State) -> None:
        hangs.set()
        assert works.wait(60.0)
        save(state_dir, state)

    monkeypatch.setattr(StateDir, "save", hang)
    async with fake_api_server(*shop()) as api, following(api.url, state=tmp_path) as follower:
        try:
            api.put(endpoint_slice("10.1.0.1", name="s0-1", of="s0"))
            await follower.until(hangs.is_set)
            api.put(endpoint_slice("10.1.0.2", name="s0-1", of="s0"))
            await follower.until(lambda: follower.addresses(ref(0)) == ["10.1.0.2"])
        finally:
            works.set()
        last = follower.objects
    kept = StateDir(tmp_path, 3600.0).load(follower.source._key())
    assert kept is not None
    assert {item.key: item for item in kept.objects} == last


def saved(folder: Path, age_s: float = 0.0) -> StateDir:
    state_dir = StateDir(folder, 3600.0)
    item = msgspec.convert({"kind": "Service", "metadata": {"name": "a", "resourceVersion": "7"}}, Service)
    state_dir.save(State("here", time.time() - age_s, [item] * 250))
    return state_dir


def test_saved_state_comes_back_as_it_was(tmp_path: Path) -> None:
    state = saved(tmp_path).load("here")
    assert state is not None
    assert [item.metadata.resource_version for item in state.objects] == ["7"] * 250
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("age_s", [3700.0, -3700.0])
def test_state_that_is_too_old_or_from_the_future_is_not_used(tmp_path: Path, age_s: float) -> None:
    assert saved(tmp_path, age_s).load("here") is None


def test_state_of_another_cluster_is_not_used(tmp_path: Path) -> None:
    assert saved(tmp_path).load("there") is None


def test_state_that_was_damaged_anywhere_is_not_used(tmp_path: Path) -> None:
    state_dir, path = saved(tmp_path), tmp_path / FILE
    data = path.read_bytes()
    for position in range(0, len(data), max(1, len(data) // 60)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :])
        assert state_dir.load("here") is None
        path.write_bytes(data[:position])
        assert state_dir.load("here") is None


def test_state_of_another_format_is_not_used(tmp_path: Path) -> None:
    state_dir, path = saved(tmp_path), tmp_path / FILE
    header, _, rest = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps({**json.loads(header), "format": 1}).encode() + b"\n" + rest)
    assert state_dir.load("here") is None


def test_a_save_that_fails_leaves_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state_dir = saved(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with contextlib.suppress(OSError):
        state_dir.save(State("elsewhere", time.time(), []))
    assert state_dir.load("here") is not None
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_folder_that_cannot_be_written_to_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ClusterError, match="--state-dir: cannot write to"):
        StateDir(tmp_path / "file" / "state", 3600.0)
