from pathlib import Path

import pytest

from trimtab.demo.chart import write_chart

from .outcomes import outcome


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_suffix_chooses_the_format(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"chart{suffix}"
    contenders = ("kube-proxy", "round-robin", "trimtab")
    write_chart(
        file, [[outcome(name, scenario=scenario) for name in contenders] for scenario in ("steady", "slow-pod")]
    )
    assert file.read_bytes().lstrip().startswith(b"<?xml" if suffix == ".svg" else b"\x89PNG")
