"""`trimtab simulate` as users start it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trimtab.cli.simulate import simulate as command
from trimtab.simulate import validation
from trimtab.simulate.theory import Latency
from trimtab.simulate.validation import Cell

SMALL = """
title: small
duration_s: 5
pods:
  - {name: pod, count: 4, zones: {a: 2, b: 2}}
clients:
  - {count: 4, zones: {a: 2, b: 2}, utilisation: 0.6}
requests:
  - service_time: {mean_ms: 10}
contenders: [kube-proxy, p2c]
published:
  - {metric: p99_ms, contender: p2c, value: 12, source: nobody}
"""


# Far more than it takes, for machines that have much else to do.
_PATIENCE_S = 170
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(SMALL)
    return file


def simulate(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "trimtab.cli", "simulate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)


def report(*arguments: object) -> dict[str, Any]:
    result = simulate(*arguments, "--json")
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_same_seeds_give_the_same_report_however_many_processes_work_on_it(small: Path) -> None:
    one = report(small, "--seeds", 3, "--processes", 1)
    assert one == report(small, "--seeds", 3, "--processes", 2)
    assert [entry["name"] for entry in one["contenders"]] == ["kube-proxy", "p2c"]
    pinned, ours = (entry["metrics"] for entry in one["contenders"])
    assert pinned["requests"] == ours["requests"], "not the same load for all"
    assert pinned["max_over_mean"]["value"] > ours["max_over_mean"]["value"]
    assert ours["p99_ms"]["half_width"] > 0
    assert one["published"][0]["published"] == 12


def test_contenders_may_be_named_or_be_policies(small: Path) -> None:
    found = report(small, "--seeds", 1, "--compare", "random", "{strategy: round_robin}", "{}", "{zone: off}")
    names = [entry["name"] for entry in found["contenders"]]
    assert names == ["random", "strategy round_robin", "default policy", "zone off"]


def test_the_pods_needed_are_found(small: Path) -> None:
    found = report(small, "--seeds", 1, "--processes", 1, "--hold", "p90=60")
    assert found["target"] == {"p90_ms": 60.0}
    assert found["pods_needed"]["p2c"]["value"] <= found["pods_needed"]["kube-proxy"]["value"]


def test_people_get_tables(small: Path) -> None:
    result = simulate(small, "--seeds", 2)
    assert result.returncode == 0, result.stderr
    for text in (
        "kube-proxy",
        "p2c",
        "cross-zone",
        "95 % confidence interval over seeds",
        "Published, and here",
        "nobody",
    ):
        assert text in result.stdout
    assert result.stderr == ""


def test_the_shipped_scenarios_are_listed() -> None:
    assert "rolling-deploy" in simulate("--list").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which scenario? A YAML file, --from-cluster for a fleet that runs, or one of"),
        (["nowhere.yaml"], "nowhere.yaml: neither a file nor a scenario of Trimtab"),
        (["slow-pod", "--compare", "nginx"], "there is no contender 'nginx'; known are"),
        (["slow-pod", "--compare", "{strategy: p3c}"], "policy.strategy: there is no 'p3c'; known are"),
        (["slow-pod", "--compare", "{slow_start: 3}"], "policy.slow_start: there is no such field"),
        (["slow-pod", "--seeds", "0"], "--seeds: expected a number from 1, got 0"),
        (["slow-pod", "--html", "/nowhere/report.html"], "--html: there is no folder /nowhere"),
        (["slow-pod", "--html", "/tmp"], "--html: /tmp is a folder; name a file in it"),
        (["slow-pod", "--processes", "0"], "--processes: expected a number from 1, got 0"),
        (["slow-pod", "--processes=-1"], "--processes: expected a number from 1, got -1"),
        (["slow-pod", "--compare", "p2c", "random", "p2c"], "--compare: two contenders are called 'p2c'"),
        (["slow-pod", "--hold", "p99"], "--hold: expected PERCENTILE=MILLISECONDS"),
    ],
)
def test_a_mistake_in_the_call_is_said_before_anything_runs(arguments: list[str], message: str) -> None:
    result = simulate(*arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_page_is_written_beside_the_numbers(small: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    report(small, "--seeds", 1, "--html", file)
    text = file.read_text("utf-8")
    assert text.count("<svg") >= 5
    assert "kube-proxy" in text


def test_a_page_that_cannot_be_written_costs_no_table(small: Path) -> None:
    result = simulate(small, "--seeds", 1, "--html", "/dev/full")
    assert result.returncode == 1
    assert result.stderr == "trimtab simulate: --html: cannot write /dev/full: No space left on device\n"
    assert "kube-proxy" in result.stdout


@pytest.mark.parametrize(("mean", "code"), [(2.0, 0), (1.5, 1)])
def test_a_cell_that_is_off_fails_the_validation(
    mean: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # M/M/1 at 0.5: the mean is 2, the 99th percentile 2 ln 100.
    cell = Cell("random", 20, 0.5, 1, 100_000, Latency(mean, 9.21))
    monkeypatch.setattr(validation, "CELLS", (cell,))
    assert command(validate=True) == code
    assert "random n=20 m=1 at 0.5" in capsys.readouterr().out
