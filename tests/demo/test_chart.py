from pathlib import Path

import pytest

from trimtab.demo.chart import write_chart
from trimtab.demo.scenario import Scenario
from trimtab.errors import DemoError

from .outcomes import outcome


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_suffix_chooses_the_format(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"chart{suffix}"
    scenarios = [Scenario.named(name, 4) for name in ("steady", "slow-pod", "cold-start")]
    write_chart(file, [[outcome(each, scenario=course.name) for each in course.contenders] for course in scenarios])
    assert file.read_bytes().lstrip().startswith(b"<?xml" if suffix == ".svg" else b"\x89PNG")


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DemoError) as error:
        write_chart(tmp_path / "gone" / "chart.svg", [[outcome("kube-proxy"), outcome("round-robin"), outcome()]])
    assert str(error.value) == f"--chart: cannot write {tmp_path}/gone/chart.svg: No such file or directory"
