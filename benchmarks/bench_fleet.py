"""Backends and a control plane to measure against: real processes on loopback."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

TARGET = "echo.bench:8080"


@dataclass(frozen=True, slots=True)
class BenchFleet:
    """Where the backends and the control plane listen."""

    ports: Sequence[int]
    control_plane: str


@contextmanager
def bench_fleet(backends: int) -> Iterator[BenchFleet]:
    """`backends` echo servers and a control plane that serves them as `TARGET`."""
    with fleet_of([[sys.executable, "-m", "benchmarks.echo_server"]] * backends) as fleet:
        yield fleet


@contextmanager
def fleet_of(commands: Sequence[Sequence[str]]) -> Iterator[BenchFleet]:
    """A backend for every command, which says its port first, and a control plane that serves them as `TARGET`."""
    with ExitStack() as stack:
        ports = [stack.enter_context(_backend(command)) for command in commands]
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "echo.json").write_text(json.dumps(_manifests(ports)))
        yield BenchFleet(ports, stack.enter_context(_control_plane(folder)))


@contextmanager
def _backend(command: Sequence[str]) -> Iterator[int]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.stdin.close()


@contextmanager
def _control_plane(manifests: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "trimtab.cli", "serve", "--manifests", str(manifests)]
    command += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            yield next(match[1] for line in process.stderr if (match := re.search(r'"xds": ?"([^"]+)"', line)))
        finally:
            process.terminate()


def _manifests(ports: Sequence[int]) -> dict[str, object]:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "echo", "namespace": "bench"},
        "spec": {"ports": [{"port": 8080}]},
    }
    slices = [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"echo-{port}",
                "namespace": "bench",
                "labels": {"kubernetes.io/service-name": "echo"},
            },
            "addressType": "IPv4",
            "ports": [{"name": "", "port": port}],
            "endpoints": [{"addresses": ["127.0.0.1"]}],
        }
        for port in ports
    ]
    return {"apiVersion": "v1", "kind": "List", "items": [service, *slices]}
