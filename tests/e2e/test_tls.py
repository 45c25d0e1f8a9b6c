"""Clients of every kind that show a certificate, and a control plane that asks for one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from tests.certificates import Secret
from tests.e2e.client import LIBRARY, STOCK_GRPC, client, only
from tests.e2e.control_plane import ControlPlane, control_plane
from tests.e2e.envoy import Envoy, envoy, needs_envoy
from tests.e2e.kubernetes import Kubernetes, Pod, Service
from tests.e2e.process import PATIENCE_S

PAYMENTS = Service()
TARGET = f"xds:///{PAYMENTS.target}"
HOST = "127.0.0.1"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secret(tmp_path: Path, authority: trustme.CA) -> Secret:
    return Secret(tmp_path / "workload", authority, "workload.prod")


@pytest.fixture
async def guarded(kubernetes: Kubernetes, tmp_path: Path, authority: trustme.CA) -> AsyncIterator[ControlPlane]:
    of_server = Secret(tmp_path / "server", authority, HOST)
    async with control_plane(kubernetes.folder, *of_server.serve) as running:
        yield running


@pytest.mark.parametrize("kind", [STOCK_GRPC, LIBRARY], ids=["stock gRPC", "library"])
async def test_calls_flow_for_whoever_has_a_certificate(
    kubernetes: Kubernetes, guarded: ControlPlane, pods: list[Pod], secret: Secret, kind: tuple[str, ...]
) -> None:
    kubernetes.put(PAYMENTS, *pods[:2])
    async with client(kind, await guarded.bootstrap("grpc", *secret.client)) as caller:
        await caller.until(only("pod-1", "pod-2"), TARGET)
    assert await guarded.rejects() == 0


@needs_envoy
async def test_envoy_follows_over_mutual_tls(
    kubernetes: Kubernetes, guarded: ControlPlane, pods: list[Pod], secret: Secret, tmp_path: Path
) -> None:
    kubernetes.put(PAYMENTS, *pods[:2])
    printed = await guarded.bootstrap("envoy", "--admin", f"{HOST}:0", "--listen", f"{HOST}:0", *secret.client)
    async with envoy(tmp_path, printed) as proxy, client(STOCK_GRPC) as caller:
        await caller.until(only("pod-1", "pod-2"), await proxy.listener(), authority=PAYMENTS.target)
    assert await guarded.rejects() == 0


@needs_envoy
async def test_envoy_trusts_no_certificate_of_another_name(
    kubernetes: Kubernetes, tmp_path: Path, authority: trustme.CA, secret: Secret
) -> None:
    impostor = Secret(tmp_path / "impostor", authority, "web.prod")
    async with control_plane(kubernetes.folder, *impostor.serve) as running:
        # Without clusters of its own it is ready nonetheless: the first answer is not waited for for ever.
        printed = await running.bootstrap(
            "envoy", "--admin", f"{HOST}:0", "--listen", f"{HOST}:0", "--on-demand", *secret.client
        )
        async with envoy(tmp_path, printed) as proxy, client(STOCK_GRPC) as caller:
            await caller.call(await proxy.listener(), authority=PAYMENTS.target)
            refused = await proxy.stats("cluster.trimtab.ssl.fail_verify_san")
    assert sum(refused.values()) > 0


@needs_envoy
async def test_envoy_takes_up_a_renewed_certificate(
    kubernetes: Kubernetes,
    guarded: ControlPlane,
    pods: list[Pod],
    secret: Secret,
    tmp_path: Path,
    authority: trustme.CA,
) -> None:
    kubernetes.put(PAYMENTS, *pods[:2])
    folder = tmp_path / "envoy"
    addresses = ("--admin", f"{HOST}:0", "--listen", f"{HOST}:0")
    assert not await guarded.bootstrap("envoy", *addresses, *secret.client, "--into", str(folder))
    async with envoy(tmp_path, (folder / "envoy.json").read_text()) as proxy, client(STOCK_GRPC) as caller:
        await caller.until(only("pod-1", "pod-2"), await proxy.listener(), authority=PAYMENTS.target)
        assert await _shown_by(proxy) == _serial_number(secret)
        secret.renew(authority)
        async with asyncio.timeout(PATIENCE_S):
            while await _shown_by(proxy) != _serial_number(secret):
                await asyncio.sleep(0.05)
        # And the old one was for a control plane that is gone.
        await guarded.kill()
        await guarded.start()
        kubernetes.put(PAYMENTS, *pods[2:3])
        await caller.until(only("pod-3"), await proxy.listener(), authority=PAYMENTS.target)


async def _shown_by(proxy: Envoy) -> int:
    """The serial number of the certificate that Envoy shows to the control plane."""
    (certificate,) = [
        chain for entry in (await proxy.ask("/certs"))["certificates"] for chain in entry.get("cert_chain", ())
    ]
    return int(certificate["serial_number"], 16)


def _serial_number(secret: Secret) -> int:
    return x509.load_pem_x509_certificate(secret.certificate.read_bytes()).serial_number
