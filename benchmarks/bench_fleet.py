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
    processes: Sequence["subprocess.Popen[str]"]
    """The backends'."""


@contextmanager
def bench_fleet(backends: int) -> Iterator[BenchFleet]:
    """`backends` echo servers and a control plane that serves them as `TARGET`."""
    with fleet_of([[sys.executable, "-m", "benchmarks.echo_server"]] * backends) as fleet:
        yield fleet


@contextmanager
def fleet_of(
    commands: Sequence[Sequence[str]], zones: Sequence[str] = (), options: Sequence[str] = ()
) -> Iterator[BenchFleet]:
    """A backend for every command, which says its port first, and a control plane that serves them as `TARGET`.

    With `zones`, of each backend, there is a Node in each, called after `node_of` it. `options` are for the control plane.
    """
    with ExitStack() as stack:
        processes = [stack.enter_context(_backend(command)) for command in commands]
        ports = [_port(process) for process in processes]
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "echo.json").write_text(json.dumps(_manifests(ports, zones or [""] * len(ports))))
        yield BenchFleet(ports, stack.enter_context(_control_plane(folder, options)), processes)


def node_of(zone: str) -> str:
    """The name of the Node in a zone."""
    return f"node-{zone}"


@contextmanager
def _backend(command: Sequence[str]) -> "Iterator[subprocess.Popen[str]]":
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        yield process
        process.stdin.close()


def _port(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


@contextmanager
def _control_plane(manifests: Path, options: Sequence[str]) -> Iterator[str]:
    command = [sys.executable, "-m", "trimtab.cli", "serve", "--manifests", str(manifests)]
    command += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            yield next(match[1] for line in process.stderr if (match := re.search(r'"xds": ?"([^"]+)"', line)))
        finally:
            process.terminate()


def _manifests(ports: Sequence[int], zones: Sequence[str]) -> dict[str, object]:
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
            "endpoints": [{"addresses": ["127.0.0.1"], "nodeName": node_of(zone), "zone": zone}],
        }
        for port, zone in zip(ports, zones, strict=True)
    ]
    nodes = [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": node_of(zone), "labels": {"topology.kubernetes.io/zone": zone}},
        }
        for zone in sorted(set(zones) - {""})
    ]
    return {"apiVersion": "v1", "kind": "List", "items": [service, *slices, *nodes]}
