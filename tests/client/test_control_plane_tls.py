"""What the client says when a control plane will not let it in."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
import trustme

from tests.certificates import Secret
from tests.client.eventually import eventually
from trimtab.client.bootstrap import Bootstrap
from trimtab.client.discovery import Discovery


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def guarded(authority: trustme.CA) -> Iterator[str]:
    """Where a server listens that asks for certificates of `authority`."""
    leaf = authority.issue_cert("127.0.0.1")
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    credentials = grpc.ssl_server_credentials(
        [(leaf.private_key_pem.bytes(), chain)], authority.cert_pem.bytes(), require_client_auth=True
    )
    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads)
        port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(None).wait()


def said(server: str, *creds: Mapping[str, object]) -> str:
    """What it says of this control plane when it cannot reach it."""
    config = {"xds_servers": [{"server_uri": server, "channel_creds": list(creds)}]}
    discovery = Discovery(Bootstrap.parse(config, "test", {}))
    discovery.subscribe("payments.prod:8080", lambda news: None)
    try:
        eventually(lambda: "unreachable" in discovery.describe())
        return discovery.describe()
    finally:
        discovery.stop()


def test_that_it_has_no_certificate(guarded: str, authority: trustme.CA, tmp_path: Path) -> None:
    own = Secret(tmp_path, authority, "workload.prod")
    tls = {"type": "tls", "config": {"ca_certificate_file": str(own.ca)}}
    assert "the bootstrap names no certificate_file" in said(guarded, tls)


def test_that_its_certificate_may_not_be_trusted(guarded: str, authority: trustme.CA, tmp_path: Path) -> None:
    own = Secret(tmp_path, trustme.CA(), "workload.prod")
    authority.cert_pem.write_to_path(own.ca)
    files = {"certificate_file": own.certificate, "private_key_file": own.key, "ca_certificate_file": own.ca}
    tls = {"type": "tls", "config": {key: str(file) for key, file in files.items()}}
    assert f"it may not trust {own.certificate}" in said(guarded, tls)


def test_that_it_speaks_no_tls(guarded: str) -> None:
    assert "the bootstrap says insecure" in said(guarded, {"type": "insecure"})
