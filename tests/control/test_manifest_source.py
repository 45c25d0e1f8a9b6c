"""A real folder and a real watcher."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import structlog

from tests.client.eventually import eventually_async
from tests.control.test_manifests import SERVICE, SLICE
from trimtab.control.kubernetes import EndpointSlice, Object, ObjectKey
from trimtab.control.manifest_source import ManifestSource
from trimtab.errors import ManifestError

PATIENCE_S = 60.0
SERVICE_KEY: ObjectKey = ("Service", "prod", "payments")
SLICE_KEY: ObjectKey = ("EndpointSlice", "prod", "payments-1")


class Follower:
    """Takes in what a source says, as the catalog would."""

    def __init__(self, source: ManifestSource) -> None:
        self.source = source
        self.objects: dict[ObjectKey, Object] = {}
        self._news = asyncio.Event()

    async def follow(self) -> None:
        async for changes in self.source.watch():
            self.objects.update({item.key: item for item in changes.upserts})
            for key in changes.deletes:
                del self.objects[key]
            self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await self._news.wait()
                self._news.clear()

    async def until_synced(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self._news.wait()

    def address(self) -> str:
        part = self.objects[SLICE_KEY]
        assert isinstance(part, EndpointSlice)
        assert part.endpoints
        return part.endpoints[0].addresses[0]


@contextlib.asynccontextmanager
async def starting(folder: Path, settle_s: float = 0.03) -> AsyncIterator[Follower]:
    follower = Follower(ManifestSource(folder, settle_s=settle_s))
    task = asyncio.create_task(follower.follow())
    try:
        yield follower
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def following(folder: Path, settle_s: float = 0.03) -> AsyncIterator[Follower]:
    async with starting(folder, settle_s) as follower:
        await follower.until_synced()
        yield follower


def replace(path: Path, text: str) -> None:
    """Write beside it and rename over it, as careful programs do."""
    fresh = path.with_name(f".{path.name}.tmp")
    fresh.write_text(text)
    fresh.rename(path)


async def test_the_first_load_is_complete(tmp_path: Path) -> None:
    (tmp_path / "service.yaml").write_text(SERVICE)
    (tmp_path / "slice.yml").write_text(SLICE)
    (tmp_path / "notes.txt").write_text("not a manifest")
    (tmp_path / ".hidden.yaml").write_text("not: one either")
    async with following(tmp_path) as follower:
        assert set(follower.objects) == {SERVICE_KEY, SLICE_KEY}
        assert follower.source.problems == ()


async def test_an_empty_folder_is_complete_too(tmp_path: Path) -> None:
    async with following(tmp_path) as follower:
        assert follower.objects == {}


async def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"there is no folder .*nowhere; create it, or name one that exists"):
        await anext(ManifestSource(tmp_path / "nowhere").watch())


async def test_a_file_renamed_over_another_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SERVICE + "---" + SLICE)
    async with following(tmp_path) as follower:
        replace(tmp_path / "a.yaml", SERVICE + "---" + SLICE.replace("10.0.0.1", "10.0.0.2"))
        await follower.until(lambda: follower.address() == "10.0.0.2")


async def test_a_file_written_in_place_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(SLICE)
    async with following(tmp_path) as follower:
        path.write_text(SLICE.replace("10.0.0.1", "10.0.0.2"))
        await follower.until(lambda: follower.address() == "10.0.0.2")


async def test_a_new_file_is_seen(tmp_path: Path) -> None:
    async with following(tmp_path) as follower:
        (tmp_path / "a.yaml").write_text(SERVICE)
        await follower.until(lambda: SERVICE_KEY in follower.objects)


async def test_a_half_written_file_changes_nothing_until_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(SLICE)
    async with following(tmp_path) as follower:
        whole = SLICE.replace("10.0.0.1", "10.0.0.2")
        for length in (0, 40, 150):
            path.write_text(whole[:length] + ("{" if length else ""))
            await follower.until(lambda: len(follower.source.problems) == 1)
            assert follower.address() == "10.0.0.1"
        path.write_text(whole)
        await follower.until(lambda: follower.address() == "10.0.0.2")
        assert follower.source.problems == ()


async def test_a_file_that_is_still_being_written_is_not_read_though_its_first_half_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(SERVICE + "---" + SLICE)
    async with following(tmp_path, settle_s=2.0) as follower:
        with path.open("w") as file:
            file.write(SERVICE)
            file.flush()
            # Long enough for the half file to be noticed, not for it to be taken for the whole.
            await asyncio.sleep(0.2)
            file.write("---" + SLICE.replace("10.0.0.1", "10.0.0.2"))
        await follower.until(lambda: follower.address() == "10.0.0.2")


async def test_a_file_that_may_be_read_again_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "store").write_text(SLICE)
    (tmp_path / "a.yaml").symlink_to(tmp_path / "store")
    async with following(tmp_path) as follower:
        (tmp_path / "store").rename(tmp_path / "elsewhere")
        (tmp_path / "store").mkdir()
        await eventually_async(lambda: "cannot be read" in str(follower.source.problems))
        (tmp_path / "store").rmdir()
        # The very same file: nothing about it changed.
        (tmp_path / "elsewhere").rename(tmp_path / "store")
        await eventually_async(lambda: follower.source.problems == ())
        assert follower.address() == "10.0.0.1"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("", "a.yaml: the file is empty"),
        ("kind: {", "a.yaml: not YAML"),
        (SERVICE + "---" + SLICE.replace("IPv4", "IPv5"), "a.yaml: document 2 (EndpointSlice prod/payments-1)"),
        ("apiVersion: v1\nkind: List\nitems:\n", "a.yaml: document 1 (List): items: expected a list"),
    ],
)
async def test_the_first_load_waits_for_a_file_that_is_broken(tmp_path: Path, broken: str, why: str) -> None:
    (tmp_path / "a.yaml").write_text(broken)
    (tmp_path / "b.yaml").write_text(SERVICE.replace("payments", "orders"))
    with structlog.testing.capture_logs() as logged:
        async with starting(tmp_path) as follower:
            await eventually_async(lambda: any(entry["log_level"] == "error" for entry in logged))
            assert f"is not complete: {why}" in follower.source.waiting_for
            assert follower.source.waiting_for.endswith("Correct each file, or take it out of the folder")
            # Another file may change meanwhile: whatever else the broken one says is as unknown as before.
            replace(tmp_path / "b.yaml", SERVICE.replace("payments", "ledger"))
            replace(tmp_path / "c.yaml", SERVICE.replace("payments", "late") + "{")
            await eventually_async(lambda: len(follower.source.problems) == 2)
            assert follower.objects == {}
            (tmp_path / "c.yaml").unlink()
            replace(tmp_path / "a.yaml", SERVICE + "---" + SLICE)
            await follower.until_synced()
            assert set(follower.objects) == {SERVICE_KEY, SLICE_KEY, ("Service", "prod", "ledger")}
    assert [entry["event"] for entry in logged if entry["log_level"] != "info"] == [
        "manifest problem, there is no last good state",
        "not ready, nobody is answered yet",
        "manifest problem, there is no last good state",
    ]


async def test_the_first_load_is_complete_once_the_broken_file_is_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SLICE)
    (tmp_path / "b.yaml").write_text("kind: {")
    async with starting(tmp_path) as follower:
        await eventually_async(lambda: len(follower.source.problems) == 1)
        (tmp_path / "b.yaml").rename(tmp_path / "b.txt")
        await follower.until_synced()
        assert follower.source.problems == ()
        # From then on there is a last good state.
        (tmp_path / "a.yaml").write_text("kind: {")
        (tmp_path / "c.yaml").write_text("kind: {")
        await eventually_async(lambda: len(follower.source.problems) == 2)
        replace(tmp_path / "d.yaml", SERVICE)
        await follower.until(lambda: follower.objects.keys() == {SERVICE_KEY, SLICE_KEY})


async def test_the_first_load_waits_for_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to(tmp_path / "store")
    async with starting(tmp_path) as follower:
        await eventually_async(lambda: "a.yaml: cannot be read: No such file" in follower.source.waiting_for)
        (tmp_path / "store").write_text(SLICE)
        await follower.until(lambda: SLICE_KEY in follower.objects)


async def test_the_first_load_waits_for_a_folder_that_cannot_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "a.yaml").write_text(SLICE)
    with monkeypatch.context() as denied:
        denied.setattr(Path, "iterdir", refuse)
        follower = Follower(ManifestSource(tmp_path))
        task = asyncio.create_task(follower.follow())
        await eventually_async(lambda: follower.source.waiting_for.endswith("it cannot be listed"))
        assert follower.objects == {}
    await follower.until(lambda: SLICE_KEY in follower.objects)
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize(
    "harmless",
    [SERVICE + "---" + SERVICE, SLICE.replace(", labels: {kubernetes.io/service-name: payments}", "")],
    ids=["twice", "of no service"],
)
async def test_the_first_load_does_not_wait_for_what_hides_nothing(tmp_path: Path, harmless: str) -> None:
    (tmp_path / "a.yaml").write_text(harmless)
    async with following(tmp_path) as follower:
        assert len(follower.source.problems) == 1


async def test_a_removed_file_is_missed_but_its_objects_stay(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SLICE)
    async with following(tmp_path) as follower:
        (tmp_path / "a.yaml").unlink()
        await follower.until(lambda: len(follower.source.problems) == 1)
        assert follower.address() == "10.0.0.1"


async def test_a_config_map_that_is_swapped_as_a_whole_is_seen(tmp_path: Path) -> None:
    """As the kubelet does it: files are links into `..data`, which is a link to a folder that is replaced."""
    for version, address in (("..v1", "10.0.0.1"), ("..v2", "10.0.0.2")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "a.yaml").write_text(SLICE.replace("10.0.0.1", address))
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    async with following(tmp_path) as follower:
        (tmp_path / "..data_tmp").symlink_to("..v2")
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")
        await follower.until(lambda: follower.address() == "10.0.0.2")


async def test_a_folder_that_vanishes_and_comes_back_is_followed_again(tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "a.yaml").write_text(SLICE)
    async with following(folder) as follower:
        folder.rename(tmp_path / "elsewhere")
        folder.mkdir()
        (folder / "a.yaml").write_text(SLICE.replace("10.0.0.1", "10.0.0.2"))
        await follower.until(lambda: follower.address() == "10.0.0.2")
        replace(folder / "a.yaml", SLICE.replace("10.0.0.1", "10.0.0.3"))
        await follower.until(lambda: follower.address() == "10.0.0.3")


async def test_a_folder_that_is_gone_for_a_while_keeps_what_it_held(tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "a.yaml").write_text(SLICE)
    with structlog.testing.capture_logs() as logged:
        async with following(folder) as follower:
            folder.rename(tmp_path / "elsewhere")
            await eventually_async(lambda: logged)
            assert follower.address() == "10.0.0.1"
            (tmp_path / "elsewhere").rename(folder)
            replace(folder / "a.yaml", SLICE.replace("10.0.0.1", "10.0.0.2"))
            await follower.until(lambda: follower.address() == "10.0.0.2")
    # Once each, however often it is looked for meanwhile.
    assert [entry["event"] for entry in logged] == ["folder is gone, what it held stays", "folder is back"]


async def test_a_file_that_is_not_utf8_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"kind: \xff\xfe")
    async with starting(tmp_path) as follower:
        await eventually_async(lambda: follower.source.problems)
        (problem,) = follower.source.problems
        assert str(problem) == "a.yaml: not UTF-8 at byte 6"


async def test_a_service_that_no_client_could_name_is_a_problem_and_not_served(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(SERVICE)
    with structlog.testing.capture_logs() as logged:
        async with following(tmp_path) as follower:
            path.write_text(SERVICE.replace("name: payments", "name: x/../y") + "---" + SERVICE)
            await eventually_async(lambda: logged)
            assert set(follower.objects) == {SERVICE_KEY}
            (problem,) = follower.source.problems
            assert problem.field == "metadata.name"
    assert [entry["problem"] for entry in logged] == [str(problem)]
