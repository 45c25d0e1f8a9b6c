"""A real etcd and kube-apiserver in processes of their own, found as envtest finds them: `KUBEBUILDER_ASSETS`."""

import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from trimtab.control.kube.access import Access, AccessSource

ADMIN, TRIMTAB = "admin-token", "trimtab-token"
START_S = 180.0
Json = dict[str, Any]


def assets() -> Path | None:
    """The folder with the binaries; None: there is none."""
    folder = Path(os.environ.get("KUBEBUILDER_ASSETS") or "/nonexistent")
    return folder if (folder / "etcd").exists() and (folder / "kube-apiserver").exists() else None


@dataclass
class RealApiServer:
    """A running API server."""

    url: str
    tls: ssl.SSLContext
    folder: Path
    binaries: Path

    def access(self, token: str = ADMIN) -> AccessSource:
        return AccessSource(lambda _: Access(self.url, self.tls, {"Authorization": f"Bearer {token}"}))

    async def check(self, path: str) -> None:
        """Raises AssertionError unless a health check says that all is well."""
        headers = {"Authorization": f"Bearer {ADMIN}"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(self.url + path, headers=headers, ssl=self.tls) as response,
        ):
            assert response.status == 200, f"{path}: {response.status} {await response.text()}"

    async def request(self, method: str, path: str, body: Json | None = None) -> Json:
        """One request as an administrator. Raises AssertionError with what the server said."""
        headers = {"Authorization": f"Bearer {ADMIN}"}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, json=body, headers=headers, ssl=self.tls) as response,
        ):
            if response.status >= 400:
                raise AssertionError(f"{method} {path}: {response.status} {await response.text()}")
            return dict(await response.json())

    async def put(self, item: Json) -> Json:
        """Create an object, or replace it."""
        path = collection(item)
        name = item["metadata"]["name"]
        try:
            known = await self.request("GET", f"{path}/{name}")
        except AssertionError:
            return await self.request("POST", path, item)
        version = {"resourceVersion": known["metadata"]["resourceVersion"]}
        return await self.request("PUT", f"{path}/{name}", {**item, "metadata": {**item["metadata"], **version}})

    async def delete(self, item: Json) -> None:
        await self.request("DELETE", f"{collection(item)}/{item['metadata']['name']}")


def collection(item: Json) -> str:
    """The path of the collection that an object belongs to."""
    version = item["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = item["kind"].lower() + "s"
    namespace = item["metadata"].get("namespace")
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


@contextlib.asynccontextmanager
async def real_api_server(folder: Path) -> AsyncIterator[RealApiServer]:
    """Start both, wait until the API server is ready, and end both."""
    binaries = assets()
    assert binaries is not None
    ca = trustme.CA()
    issued = ca.issue_cert("127.0.0.1", "localhost")
    _write_keys(folder, ca, issued)
    (folder / "tokens.csv").write_text(f'{ADMIN},admin,1,"system:masters"\n{TRIMTAB},trimtab,2\n')
    client, peer, secure = _free_port(), _free_port(), _free_port()
    etcd = [
        str(binaries / "etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        "--unsafe-no-fsync",
    ]
    api = [
        str(binaries / "kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{client}",
        "--bind-address=127.0.0.1",
        # Without it the address is that of the default route, which a sandbox may not have.
        "--advertise-address=127.0.0.1",
        # Nobody is to reach it through its own Service, and loopback addresses are no endpoints.
        "--endpoint-reconciler-type=none",
        f"--secure-port={secure}",
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
    tls = ssl.create_default_context(cadata=ca.cert_pem.bytes().decode())
    server = RealApiServer(f"https://127.0.0.1:{secure}", tls, folder, binaries)
    with process(etcd, folder / "etcd.log"), process(api, folder / "api.log") as running:
        await _ready(server, running, folder / "api.log")
        yield server


@contextlib.contextmanager
def process(command: list[str], log: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """A process that writes to a log, and is ended in the end."""
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT) as started:
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(10)
            except subprocess.TimeoutExpired:
                started.kill()


async def _ready(server: RealApiServer, running: "subprocess.Popen[bytes]", log: Path) -> None:
    async with asyncio.timeout(START_S):
        while True:
            assert running.poll() is None, f"kube-apiserver ended, see {log}"
            with contextlib.suppress(AssertionError, aiohttp.ClientError, OSError):
                await server.check("/readyz")
                # The first Service to get an address: from now on others get one too.
                await server.request("GET", "/api/v1/namespaces/default/services/kubernetes")
                return
            await asyncio.sleep(0.2)


def _write_keys(folder: Path, ca: trustme.CA, issued: trustme.LeafCert) -> None:
    (folder / "ca.crt").write_bytes(ca.cert_pem.bytes())
    (folder / "server.crt").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    (folder / "server.key").write_bytes(issued.private_key_pem.bytes())
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (folder / "accounts.key").write_bytes(pem)
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    (folder / "accounts.pub").write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, public))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
