"""One pod of twelve is five times slower: what the clients' 99th percentile is then, by who balances.

Real processes on loopback: pods that serve a few requests at a time by sleeping, eight clients that send at random moments and wait for
nobody, Envoys beside them. Contenders take turns in every round, with the same arrivals.
"""

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .bench_fleet import BenchFleet, fleet_of
from .client_process import Process, ask, client, connected, direct

ENVOY = Path(".venv-envoy/bin/envoy")
"""`make clients` puts it there."""
PODS, CLIENTS, WORKERS = 12, 8, 4
UTILISATION, SLOWDOWN = 0.6, 5.0
REQUESTS_PER_S = 480.0
DEMAND_S = UTILISATION * PODS * WORKERS / REQUESTS_PER_S
ROUNDS, DURATION_S = 5, 6.0
BASE, OURS, OWN, SHARED = "grpcio round_robin", "trimtab", "Envoy per client", "one Envoy for all"


async def run(console: Console) -> None:
    """Five rounds of every contender."""
    with ExitStack() as stack:
        slowdowns = [SLOWDOWN if index == 0 else 1.0 for index in range(PODS)]
        commands = [
            [sys.executable, "-m", "benchmarks.slow_pod_pod", str(WORKERS), str(DEMAND_S * slowdown)]
            for slowdown in slowdowns
        ]
        fleet = stack.enter_context(fleet_of(commands))
        targets = [{BASE: direct(fleet), OURS: fleet.control_plane} for _ in range(CLIENTS)]
        if await asyncio.to_thread(ENVOY.exists):
            shared = stack.enter_context(_envoy(fleet))
            for target in targets:
                target |= {OWN: stack.enter_context(_envoy(fleet)), SHARED: shared}
        else:
            console.print(f"Without {ENVOY} there is no Envoy to compare with: `make clients` installs it.")
        clients = [
            stack.enter_context(client("slow_pod_client", _settings(index, target)))
            for index, target in enumerate(targets)
        ]
        await connected(clients)
        p99_s: dict[str, list[float]] = {name: [] for name in targets[0]}
        mean_s: dict[str, list[float]] = {name: [] for name in targets[0]}
        for round_number in range(ROUNDS):
            for name in list(p99_s) if round_number % 2 else reversed(list(p99_s)):
                latencies = sorted(await _measure(clients, name, round_number))
                p99_s[name].append(latencies[int(len(latencies) * 0.99)])
                mean_s[name].append(statistics.fmean(latencies))
    _print(console, p99_s, mean_s)


async def _measure(clients: Sequence[Process], contender: str, seed: int) -> list[float]:
    return [latency for answer in await ask(clients, contender, seed) for latency in answer]


def _settings(index: int, targets: Mapping[str, str]) -> dict[str, Any]:
    return {"targets": targets, "rate": REQUESTS_PER_S / CLIENTS, "duration_s": DURATION_S, "name": str(index)}


def _print(console: Console, p99_s: Mapping[str, list[float]], mean_s: Mapping[str, list[float]]) -> None:
    title = (
        f"One of {PODS} pods {SLOWDOWN:g} times slower, {CLIENTS} clients, utilisation {UTILISATION} ({ROUNDS} rounds)"
    )
    table = Table(title=title, title_justify="left")
    for column in ("balanced by", "p99, ms: median", "least – most", "mean, ms", "p99, ours relative to it"):
        table.add_column(column, justify="left" if column == "balanced by" else "right")
    for name, values in p99_s.items():
        ratios = [ours / other for ours, other in zip(p99_s[OURS], values, strict=True)]
        table.add_row(
            name,
            f"{statistics.median(values) * 1e3:.0f}",
            f"{min(values) * 1e3:.0f} – {max(values) * 1e3:.0f}",
            f"{statistics.median(mean_s[name]) * 1e3:.0f}",
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} – {max(ratios):.2f})",
        )
    console.print(table)


@contextmanager
def _envoy(fleet: BenchFleet) -> Iterator[str]:
    """An Envoy with LEAST_REQUEST over the pods; where it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(_envoy_config(fleet, port), file)
        file.flush()
        command = [str(ENVOY), "-c", file.name, "--log-level", "error", "--concurrency", "1", "--use-dynamic-base-id"]
        with subprocess.Popen(command) as process:
            try:
                yield f"127.0.0.1:{port}"
            finally:
                process.terminate()


def _envoy_config(fleet: BenchFleet, port: int) -> dict[str, Any]:
    http2 = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    manager = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    router = {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "pods", "timeout": "0s"}}
    hosts = [{"name": "all", "domains": ["*"], "routes": [route]}]
    filters = {
        "@type": f"type.googleapis.com/{manager}",
        "stat_prefix": "in",
        "codec_type": "HTTP2",
        "route_config": {"virtual_hosts": hosts},
        "http_filters": [{"name": "router", "typed_config": router}],
    }
    cluster = {
        "name": "pods",
        "type": "STATIC",
        "lb_policy": "LEAST_REQUEST",
        "least_request_lb_config": {"choice_count": 2},
        "circuit_breakers": {"thresholds": [{"max_requests": 100_000, "max_pending_requests": 100_000}]},
        "typed_extension_protocol_options": {
            http2: {
                "@type": f"type.googleapis.com/{http2}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": "pods",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(pod)}} for pod in fleet.ports]}],
        },
    }
    listener = {
        "address": _address(port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": filters}]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
