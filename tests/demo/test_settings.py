import re
from pathlib import Path
from typing import Any

import pytest

from trimtab.demo.settings import Settings
from trimtab.errors import DemoError


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"backends": 1}, "--backends: expected a number from 2 to 100, got 1"),
        ({"backends": 101}, "--backends"),
        ({"clients": 0}, "--clients"),
        ({"duration_s": 0.5}, "--duration"),
        ({"duration_s": float("nan")}, "--duration"),
        ({"scenario": "chaos"}, "--scenario: expected steady, slow-pod, scale-up, cold-start or all, got chaos"),
        (
            {"scenario": "cold-start", "duration_s": 15.9},
            "--duration: expected 16 seconds or more for cold-start, got 15.9",
        ),
        ({"scenario": "all", "duration_s": 8.0}, "--duration: expected 16 seconds or more for cold-start, got 8"),
        ({"chart": Path("chart.gif")}, "--chart"),
        ({"chart": Path("no/such/folder/chart.svg")}, "--chart: expected a file in a folder that exists"),
    ],
)
def test_a_value_out_of_range_is_refused_by_the_name_of_its_option(choice: dict[str, Any], message: str) -> None:
    with pytest.raises(DemoError, match=re.escape(message)):
        Settings(**choice)


def test_a_folder_is_no_file_to_draw_into(tmp_path: Path) -> None:
    folder = tmp_path / "chart.svg"
    folder.mkdir()
    with pytest.raises(DemoError, match=re.escape(f"--chart: expected a file, got the folder {folder}")):
        Settings(chart=folder)


def test_all_means_every_scenario() -> None:
    assert Settings(scenario="all").scenarios == ("steady", "slow-pod", "scale-up", "cold-start")
    assert Settings().scenarios == ("slow-pod",)
