"""The whole demonstration, small, as the user starts it: real processes, real gRPC, the real control plane."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

DEMO = (sys.executable, "-m", "trimtab.cli", "demo")
SMALL = ("--backends", "4", "--clients", "4", "--json")
CONTENDER_KEYS = {
    "name",
    "requests",
    "errors",
    "per_endpoint",
    "max_over_mean",
    "p50_ms",
    "p90_ms",
    "p99_ms",
    "new_endpoint_first_request_s",
}


def test_a_small_demonstration_reports_every_request_of_every_contender(tmp_path: Path) -> None:
    result = run(*DEMO, *SMALL, "--duration", "2", "--scenario", "scale-up", env=environment(tmp_path))
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    [scenario] = report["scenarios"]
    assert scenario["name"] == "scale-up"
    contenders: dict[str, dict[str, Any]] = {entry["name"]: entry for entry in scenario["contenders"]}
    assert list(contenders) == ["kube-proxy", "round-robin", "trimtab"]
    for contender in contenders.values():
        assert contender.keys() == CONTENDER_KEYS
        assert contender["errors"] == 0
        assert len(contender["per_endpoint"]) == 4
        assert sum(contender["per_endpoint"].values()) == contender["requests"] > 0
    assert len({contender["requests"] for contender in contenders.values()}) == 1, "not the same load for all"
    assert contenders["kube-proxy"]["new_endpoint_first_request_s"] is None
    assert contenders["round-robin"]["new_endpoint_first_request_s"] is None
    assert contenders["trimtab"]["new_endpoint_first_request_s"] is not None
    assert all(contenders["trimtab"]["per_endpoint"].values())
    assert nothing_left(tmp_path)


def test_a_chart_that_cannot_be_written_costs_nobody_the_result(tmp_path: Path) -> None:
    chart = tmp_path / "chart.svg"
    # Looks like a file in a folder that exists until it is written.
    chart.symlink_to(tmp_path / "gone" / "chart.svg")
    result = run(*DEMO, *SMALL, "--duration", "1", "--scenario", "steady", "--chart", str(chart))
    assert result.returncode == 1
    assert [scenario["name"] for scenario in json.loads(result.stdout)["scenarios"]] == ["steady"]
    assert result.stderr.endswith(f"trimtab demo: --chart: cannot write {chart}: No such file or directory\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("stage", ["shop-4.log", "clients-4.log"])
def test_a_signal_ends_every_process_and_leaves_no_file(tmp_path: Path, number: signal.Signals, stage: str) -> None:
    with running_demo(tmp_path) as process:
        wait_until(lambda: list(tmp_path.glob(f"*/{stage}")) != [], f"{stage} appeared")
        process.send_signal(number)
        assert process.wait(timeout=60) == 128 + number
    assert nothing_left(tmp_path)


def test_no_process_outlives_a_killed_demonstration(tmp_path: Path) -> None:
    with running_demo(tmp_path) as process:
        wait_until(lambda: list(tmp_path.glob("*/clients-4.log")) != [], "clients started")
        process.kill()
    wait_until(lambda: not processes_of(tmp_path), "every process ended")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--backends", "1"], "--backends"), (["--chart", "nowhere/chart.svg"], "--chart"), (["--duration", "x"], "x")],
)
def test_arguments_that_make_no_sense_are_refused_at_once(arguments: list[str], message: str) -> None:
    result = run(*DEMO, *arguments)
    assert result.returncode == 2
    assert message in result.stderr + result.stdout


def run(*command: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, env=env)


def environment(tmp_path: Path) -> dict[str, str]:
    """Temporary files go below `tmp_path`, and every process of this demonstration can be told by it."""
    return {**os.environ, "TMPDIR": str(tmp_path)}


@contextmanager
def running_demo(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [*DEMO, *SMALL, "--duration", "30"]
    with subprocess.Popen(
        command, env=environment(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def nothing_left(tmp_path: Path) -> bool:
    wait_until(lambda: not processes_of(tmp_path), "every process ended")
    return list(tmp_path.iterdir()) == []


def processes_of(tmp_path: Path) -> list[str]:
    mark = f"TMPDIR={tmp_path}"
    return [environment for environment in environments() if mark in environment]


def environments() -> Iterator[str]:
    """What every running process was given; where there is no /proc, ps tells."""
    if not Path("/proc/self/environ").exists():
        yield from run("ps", "axeww", "-o", "command").stdout.splitlines()
    for file in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            yield file.read_bytes().decode(errors="replace")


def wait_until(condition: Callable[[], bool], what: str, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(0.02)
