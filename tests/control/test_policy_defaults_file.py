"""A real file and a real watcher."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from trimtab.control.policy_defaults_file import PolicyDefaultsFile
from trimtab.model import Policy

PATIENCE_S = 20.0


class Follower:
    """Keeps what was told last."""

    def __init__(self, file: PolicyDefaultsFile) -> None:
        self.file = file
        self.told = 0
        self.policy = file.defaults.policy("prod")

    async def follow(self) -> None:
        async for defaults in self.file.follow():
            self.told += 1
            self.policy = defaults.policy("prod")

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - what is waited for is a file's content
                await asyncio.sleep(0.01)


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


@contextlib.asynccontextmanager
async def following(path: Path) -> AsyncIterator[Follower]:
    follower = Follower(PolicyDefaultsFile(path))
    task = asyncio.create_task(follower.follow())
    try:
        yield follower
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "config" / "trimtab.yaml"
    file.parent.mkdir()
    file.write_text("policy: {max_connections: 7}")
    return file


async def test_a_file_that_is_written_to_or_replaced_is_read_again(path: Path) -> None:
    async with following(path) as follower:
        assert follower.policy == Policy(max_connections=7)
        write(path, b"policy: {max_connections: 8}")
        await follower.until(lambda: follower.policy == Policy(max_connections=8))
        draft = path.with_suffix(".draft")
        draft.write_text("policy: {max_connections: 9}")
        draft.replace(path)
        await follower.until(lambda: follower.policy == Policy(max_connections=9))
        assert follower.told == 2


async def test_a_file_that_is_gone_takes_nothing_away_and_may_come_back(path: Path) -> None:
    async with following(path) as follower:
        remove(path)
        await follower.until(lambda: follower.file.problem == f"{path} cannot be read: No such file or directory")
        assert follower.policy == Policy(max_connections=7)
        write(path, b"policy: {max_connections: 7}")
        await follower.until(lambda: not follower.file.problem)
        assert follower.policy == Policy(max_connections=7)


async def test_its_folder_may_be_gone_for_a_while(path: Path) -> None:
    async with following(path) as follower:
        elsewhere = path.parent.with_name("elsewhere")
        path.parent.rename(elsewhere)
        await follower.until(lambda: bool(follower.file.problem))
        (elsewhere / path.name).write_text("policy: {max_connections: 8}")
        elsewhere.rename(path.parent)
        await follower.until(lambda: follower.policy == Policy(max_connections=8))


async def test_bytes_that_are_no_text_are_refused(path: Path) -> None:
    async with following(path) as follower:
        write(path, b"policy: {strategy: \xff}")
        await follower.until(lambda: "not UTF-8 at byte 19" in follower.file.problem)
        assert follower.policy == Policy(max_connections=7)
