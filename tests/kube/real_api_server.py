"""A real etcd and kube-apiserver in processes of their own, found as envtest finds them: `KUBEBUILDER_ASSETS`."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.kube.api_server import ADMIN, USERS, ApiServer, Json, collection
from tests.kube.server_certificate import server_certificate
from tests.ports import HeldPort

START_S = 180.0
_FIRST: Json = {
    "kind": "Service",
    "apiVersion": "v1",
    "metadata": {"name": "first", "namespace": "default"},
    "spec": {"ports": [{"port": 80}]},
}


def assets() -> Path | None:
    """The folder with the binaries; None: there is none."""
    folder = Path(os.environ.get("KUBEBUILDER_ASSETS") or "/nonexistent")
    return folder if (folder / "etcd").exists() and (folder / "kube-apiserver").exists() else None


def controller_manager() -> Path | None:
    """kube-controller-manager, which envtest has no need of; None: it is not beside the others."""
    binary = (assets() or Path("/nonexistent")) / "kube-controller-manager"
    return binary if binary.exists() else None


class RealApiServer(ApiServer):
    """kube-apiserver, with an etcd that runs already."""

    def __init__(self, command: list[str], url: str, folder: Path) -> None:
        super().__init__(url, server_certificate(folder), folder)
        self._command = command
        self._running: subprocess.Popen[bytes] | None = None
        self._ending = contextlib.ExitStack()

    async def start(self) -> None:
        """Start it, and wait until it is ready."""
        log = self.folder / "api.log"
        self._running = self._ending.enter_context(process(self._command, log))
        async with _patience(log):
            while not await self._is_ready():
                assert self._running.poll() is None, "kube-apiserver ended"
                await asyncio.sleep(0.2)

    async def stop(self) -> None:
        # In a thread: it waits for those who still watch, and they run here.
        await asyncio.to_thread(self._ending.close)

    async def restart(self) -> None:
        assert self._running is not None
        self._running.kill()
        await self.stop()
        await self.start()

    async def _is_ready(self) -> bool:
        try:
            if (await self.ask("GET", "/readyz")).status != 200:
                return False
            # Some things begin when it is ready: namespaces of its own, and addresses for Services.
            # 409: an earlier try was answered too late.
            if (await self.ask("POST", collection(_FIRST), _FIRST)).status not in (201, 409):
                return False
            gone = await self.ask("DELETE", f"{collection(_FIRST)}/{_FIRST['metadata']['name']}")
            return gone.status in (200, 404)
        except (aiohttp.ClientError, OSError):
            return False


@contextlib.asynccontextmanager
async def real_api_server(folder: Path) -> AsyncIterator[ApiServer]:
    """Start both, wait until the API server is ready, and end both."""
    binaries = assets()
    assert binaries is not None
    with HeldPort() as client, HeldPort() as peer, HeldPort() as secure:
        etcd = [
            str(binaries / "etcd"),
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls=http://{client.address}",
            f"--advertise-client-urls=http://{client.address}",
            f"--listen-peer-urls=http://{peer.address}",
            "--unsafe-no-fsync",
        ]
        server = RealApiServer(
            [str(binaries / "kube-apiserver"), f"--etcd-servers=http://{client.address}", *_flags(folder, secure.port)],
            f"https://{secure.address}",
            folder,
        )
        _write_accounts(folder)
        with process(etcd, folder / "etcd.log") as running:
            await _etcd_ready(f"http://{client.address}/health", running, folder / "etcd.log")
            try:
                await server.start()
                yield server
            finally:
                await server.stop()


def _flags(folder: Path, port: int) -> list[str]:
    return [
        "--bind-address=127.0.0.1",
        # Without it the address is that of the default route, which a sandbox may not have.
        "--advertise-address=127.0.0.1",
        # Nobody is to reach it through its own Service, and loopback addresses are no endpoints.
        "--endpoint-reconciler-type=none",
        f"--secure-port={port}",
        f"--cert-dir={folder}",
        f"--tls-cert-file={folder / 'server.crt'}",
        f"--tls-private-key-file={folder / 'server.key'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder / 'accounts.pub'}",
        f"--service-account-signing-key-file={folder / 'accounts.key'}",
        # There is no controller that would make service accounts.
        "--disable-admission-plugins=ServiceAccount",
    ]


@contextlib.contextmanager
def process(command: list[str], log: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """A process that writes to the end of a log, and is ended in the end."""
    with log.open("ab") as file, subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT) as started:
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(10)
            except subprocess.TimeoutExpired:
                started.kill()


async def _etcd_ready(url: str, running: "subprocess.Popen[bytes]", log: Path) -> None:
    async with _patience(log), aiohttp.ClientSession() as session:
        while True:
            assert running.poll() is None, "etcd ended"
            with contextlib.suppress(aiohttp.ClientError, OSError):
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def _patience(log: Path) -> AsyncIterator[None]:
    """What fails, or takes too long, says what the log said last."""
    try:
        async with asyncio.timeout(START_S):
            yield
    except (AssertionError, TimeoutError) as error:
        raise AssertionError(f"{error or 'not ready in time'}; {log}: {tail(log)}") from error


def tail(log: Path) -> str:
    """What a log said last."""
    return log.read_bytes()[-3000:].decode(errors="replace") if log.exists() else ""


def _write_accounts(folder: Path) -> None:
    """Who may come with which token, and the keys that tokens of service accounts are signed with."""
    (folder / "tokens.csv").write_text(
        "".join(
            f"{token},{user},{user}{',system:masters' if token == ADMIN else ''}\n" for token, user in USERS.items()
        )
    )
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (folder / "accounts.key").write_bytes(pem)
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    (folder / "accounts.pub").write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, public))


REAL = pytest.param(
    real_api_server,
    id="real",
    marks=[
        pytest.mark.skipif(
            assets() is None, reason="KUBEBUILDER_ASSETS does not name a folder with etcd and kube-apiserver"
        ),
        pytest.mark.timeout(600),
    ],
)
only_real = pytest.mark.parametrize("api", [REAL], indirect=True)
"""For what the pretended API server does not know."""
