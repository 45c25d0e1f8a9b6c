from pathlib import Path

import pytest

from trimtab.demo.chart import write_chart
from trimtab.demo.scenario import Scenario

from .outcomes import outcome


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_suffix_chooses_the_format(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"chart{suffix}"
    scenarios = [Scenario.named(name, 4) for name in ("steady", "slow-pod", "cold-start")]
    write_chart(file, [[outcome(each, scenario=course.name) for each in course.contenders] for course in scenarios])
    assert file.read_bytes().lstrip().startswith(b"<?xml" if suffix == ".svg" else b"\x89PNG")
