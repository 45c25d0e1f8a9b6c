"""What mutual TLS costs the control plane: a crowd of clients that connect at once, as after its restart."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import trustme
from rich.console import Console
from rich.table import Table

from trimtab.xds.discovery import ClientNode, DiscoveryRequest
from trimtab.xds.resource_type import ADS_SERVICE, ENDPOINTS, STREAM_AGGREGATED_RESOURCES

CLIENTS = 500
ROUNDS = 3
_NAME = "payments.prod:8080"
_MANIFESTS = """
apiVersion: v1
kind: Service
metadata: {name: payments, namespace: prod}
spec: {ports: [{port: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: payments-1, namespace: prod, labels: {kubernetes.io/service-name: payments}}
addressType: IPv4
ports: [{port: 9090}]
endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2]}]
"""
_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Secret:
    """A certificate for both sides, in memory and in files."""

    ca: bytes
    key: bytes
    certificate: bytes

    @classmethod
    def new(cls) -> "Secret":
        authority = trustme.CA()
        leaf = authority.issue_cert(_HOST)
        chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
        return cls(authority.cert_pem.bytes(), leaf.private_key_pem.bytes(), chain)

    def arguments(self, folder: Path) -> list[str]:
        """What `trimtab serve` is told."""
        files = {"--tls-client-ca": self.ca, "--tls-key": self.key, "--tls-cert": self.certificate}
        for option, content in files.items():
            (folder / option).write_bytes(content)
        return [part for option in files for part in (option, str(folder / option))]

    def channel(self, server: str) -> grpc.aio.Channel:
        """A client's connection."""
        credentials = grpc.ssl_channel_credentials(self.ca, self.key, self.certificate)
        return grpc.aio.secure_channel(server, credentials, options=_OPTIONS)


_OPTIONS = [("grpc.use_local_subchannel_pool", 1)]


@contextmanager
def control_plane(arguments: list[str]) -> Iterator[tuple[str, int]]:
    """A control plane: where it serves, and its process id."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cluster.yaml").write_text(_MANIFESTS)
        command = [sys.executable, "-m", "trimtab.cli", "serve", "--manifests", folder, *arguments]
        ports = ["--listen", f"{_HOST}:0", "--admin", f"{_HOST}:0"]
        with subprocess.Popen([*command, *ports], stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            serving = next(entry for entry in map(json.loads, process.stderr) if entry["event"] == "serving")
            yield serving["xds"], process.pid
            process.terminate()


def used(pid: int) -> tuple[float, float]:
    """CPU seconds and resident MiB of a process so far (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    ticks = int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def run(console: Console) -> None:
    """Plain text and mutual TLS, each with a control plane of its own."""
    table = Table(title=f"{CLIENTS} clients connect at once (best of {ROUNDS})", title_justify="left")
    for column in ("xDS port", "CPU of the control plane, ms per client", "memory, KiB per client"):
        table.add_column(column, justify="left" if column == "xDS port" else "right")
    for kind, secret in (("plain text", None), ("mutual TLS", Secret.new())):
        cpu_ms, memory_kib = min([await _round(secret) for _ in range(ROUNDS)])
        table.add_row(kind, f"{cpu_ms:.2f}", f"{memory_kib:.0f}")
    console.print(table)


async def _round(secret: Secret | None) -> tuple[float, float]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        arguments = [] if secret is None else secret.arguments(folder)
        server, pid = stack.enter_context(control_plane(arguments))
        # What the first connection loads is nobody's price.
        first = await _client(server, secret)
        cpu_s, memory_mib = used(pid)
        channels = await asyncio.gather(*(_client(server, secret) for _ in range(CLIENTS)))
        cpu_after_s, memory_after_mib = used(pid)
        await asyncio.gather(*(channel.close() for channel in (first, *channels)))
    return (cpu_after_s - cpu_s) * 1e3 / CLIENTS, (memory_after_mib - memory_mib) * 1024 / CLIENTS


async def _client(server: str, secret: Secret | None) -> grpc.aio.Channel:
    """A client that has got its endpoints."""
    channel = grpc.aio.insecure_channel(server, options=_OPTIONS) if secret is None else secret.channel(server)
    call: Any = channel.stream_stream(f"/{ADS_SERVICE}/{STREAM_AGGREGATED_RESOURCES}")(wait_for_ready=True)
    await call.write(DiscoveryRequest(ENDPOINTS, (_NAME,), node=ClientNode(id="bench")).serialize())
    assert isinstance(await call.read(), bytes)
    return channel
