import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_PATIENCE_S = 110


@pytest.mark.timeout(120)
def test_workers_end_when_their_parent_was_killed() -> None:
    command = [sys.executable, "-m", "tests.simulate.outlived"]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert [parent.stdout.readline() for _ in range(2)] == [b"working\n"] * 2
        parent.kill()
        # The workers hold the other end of this pipe: it ends only with the last of them.
        rest, _ = parent.communicate(timeout=_PATIENCE_S)
    assert rest == b""
