import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from trimtab.demo.child import Child
from trimtab.errors import DemoError

ECHO = """
import asyncio
from trimtab.demo.parent import say, while_parent_lives

async def work(inbox):
    while True:
        message = await inbox.get()
        if message == {"do": "fail"}:
            raise RuntimeError("the pod caught fire")
        say({"heard": message})

asyncio.run(while_parent_lives(work))
"""
DEAF = "import time; print('{}', flush=True); time.sleep(600)"


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where children find the modules `echo` and `deaf`."""
    (tmp_path / "echo.py").write_text(ECHO)
    (tmp_path / "deaf.py").write_text(DEAF)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


async def test_answers_reach_whoever_asked_however_many_ask_at_once(modules: Path) -> None:
    child = await Child.start("echo", modules, "echo")
    answers = await asyncio.gather(*(child.ask({"number": number}) for number in range(20)))
    assert answers == [{"heard": {"number": number}} for number in range(20)]
    await child.stop()


async def test_a_child_that_ends_by_itself_is_reported_with_its_last_words(modules: Path) -> None:
    child = await Child.start("echo", modules, "echo")
    with pytest.raises(DemoError, match=r"(?s)echo ended unexpectedly with exit code 1.*the pod caught fire"):
        await child.ask({"do": "fail"})
    await child.stop()


async def test_a_child_ends_when_nobody_talks_to_it_any_more(modules: Path) -> None:
    child = await Child.start("echo", modules, "echo")
    await child.ask({})
    await child.stop()
    with pytest.raises(DemoError, match="exit code 0"):
        await child.receive()


async def test_a_child_that_does_not_listen_is_killed(modules: Path) -> None:
    child = await Child.start("deaf", modules, "deaf")
    await child.receive()
    await child.stop()
    with pytest.raises(DemoError, match="exit code -9"):
        await child.receive()


def test_a_backend_loads_nothing_it_does_not_need() -> None:
    check = (
        "import sys, trimtab.demo.backend; assert not {'rich', 'yaml', 'matplotlib', 'aiohttp'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", check], check=True)
