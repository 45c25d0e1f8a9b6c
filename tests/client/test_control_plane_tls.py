"""What the client says when a control plane will not let it in."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc
import pytest
import trustme

from tests.certificates import Secret
from tests.client.ads import AdsServer
from tests.client.eventually import eventually
from trimtab.client.bootstrap import Bootstrap
from trimtab.client.discovery import Discovery


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def guarded(authority: trustme.CA) -> Iterator[AdsServer]:
    """A control plane that asks for certificates of `authority`."""
    leaf = authority.issue_cert("127.0.0.1")
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    credentials = grpc.ssl_server_credentials(
        [(leaf.private_key_pem.bytes(), chain)], authority.cert_pem.bytes(), require_client_auth=True
    )
    with AdsServer(credentials=credentials) as server:
        yield server


@contextlib.contextmanager
def discovering(server: AdsServer, creds: Mapping[str, object]) -> Iterator[Discovery]:
    """A client that asks this control plane for a service."""
    config = {"xds_servers": [{"server_uri": server.address, "channel_creds": [creds]}]}
    discovery = Discovery(Bootstrap.parse(config, "test", {}))
    discovery.subscribe("payments.prod:8080", lambda news: None)
    yield discovery
    discovery.stop()


def said(server: AdsServer, creds: Mapping[str, object]) -> str:
    """What it says of this control plane when it cannot reach it."""
    with discovering(server, creds) as discovery:
        eventually(lambda: "unreachable" in discovery.describe())
        return discovery.describe()


def tls(secret: Secret) -> Mapping[str, object]:
    """Credentials in these files, as gRPC's bootstrap has them (gRFC A65)."""
    files = {
        "certificate_file": secret.certificate,
        "private_key_file": secret.key,
        "ca_certificate_file": secret.ca,
    }
    return {"type": "tls", "config": {key: str(file) for key, file in files.items()}}


def test_that_it_has_no_certificate(guarded: AdsServer, authority: trustme.CA, tmp_path: Path) -> None:
    own = Secret(tmp_path, authority, "workload.prod")
    alone = {"type": "tls", "config": {"ca_certificate_file": str(own.ca)}}
    assert "the bootstrap names no certificate_file" in said(guarded, alone)


def test_that_its_certificate_may_not_be_trusted_until_it_is_renewed(
    guarded: AdsServer, authority: trustme.CA, tmp_path: Path
) -> None:
    own = Secret(tmp_path, trustme.CA(), "workload.prod")
    authority.cert_pem.write_to_path(own.ca)
    with discovering(guarded, tls(own)) as discovery:
        eventually(lambda: f"it may not trust {own.certificate}" in discovery.describe())
        own.renew(authority)
        guarded.wait_for_streams(1)


def test_that_it_speaks_no_tls(guarded: AdsServer) -> None:
    assert "the bootstrap says insecure" in said(guarded, {"type": "insecure"})
