"""`trimtab serve` with TLS: certificates that are renewed, mistakes in them, and replicas that trust each other."""

import json
import re
import ssl
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from tests.certificates import Secret, put
from tests.cli.serving import PATIENCE_S, Serving, command, failing, serving
from tests.cli.test_replicas import CONTROL_PLANE, REPLICA
from tests.control.xds_client import until

HOST = "127.0.0.1"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secret(tmp_path: Path, authority: trustme.CA) -> Secret:
    return Secret(tmp_path / "secret", authority, HOST, "trimtab.system.svc")


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    (tmp_path / "manifests").mkdir()
    return tmp_path / "manifests"


def presented(running: Serving) -> str:
    """The certificate that the xDS port shows."""
    host, _, port = running.xds.rpartition(":")
    return ssl.get_server_certificate((host, int(port)))


def asked(running: Serving, path: str) -> str:
    with urllib.request.urlopen(f"http://{running.admin}{path}", timeout=PATIENCE_S) as response:
        text: str = response.read().decode()
    return text


def first_of(secret: Secret) -> str:
    """The certificate in the Secret, without what leads to its authority."""
    return secret.certificate.read_text()


def test_a_renewed_certificate_is_shown_without_a_restart(
    manifests: Path, authority: trustme.CA, secret: Secret
) -> None:
    with serving(manifests, *secret.serve[:4]) as running:
        before = presented(running)
        assert before == first_of(secret)
        secret.renew(authority)
        assert presented(running) == first_of(secret) != before
        expires_at = x509.load_pem_x509_certificate(first_of(secret).encode()).not_valid_after_utc.timestamp()
        shown = re.search(
            "^trimtab_tls_certificate_expiry_timestamp_seconds (.*)$", asked(running, "/metrics"), re.MULTILINE
        )
        assert shown is not None
        assert float(shown[1]) == expires_at


def test_a_certificate_that_was_away_is_no_problem_once_it_is_back(manifests: Path, secret: Secret) -> None:
    with serving(manifests, *secret.serve[:4]) as running:
        away = secret.key.rename(secret.key.with_suffix(".away"))
        assert presented(running) == first_of(secret)
        assert "trimtab_tls_certificate_refused 1.0" in asked(running, "/metrics")
        away.rename(secret.key)
        assert "trimtab_tls_certificate_refused 0.0" in asked(running, "/metrics")


def test_a_certificate_without_its_key_changes_nothing_and_is_said(
    manifests: Path, authority: trustme.CA, secret: Secret
) -> None:
    with serving(manifests, *secret.serve[:4]) as running:
        before = presented(running)
        put(secret.certificate, authority.issue_cert(HOST).cert_chain_pems[0].bytes())
        assert presented(running) == before
        assert str(secret.key) in running.event("certificate refused, the last good one stays")["problem"]
        assert "trimtab_tls_certificate_refused 1.0" in asked(running, "/metrics")
        (problem,) = json.loads(asked(running, "/debug/status"))["problems"]["source"]
        assert problem.startswith("certificate refused, the last good one stays: ")
        secret.renew(authority)
        assert presented(running) == first_of(secret)
        assert "trimtab_tls_certificate_refused 0.0" in asked(running, "/metrics")


def linked(*replicas: Serving) -> bool:
    """Whether each has two streams: from the other, and from itself, for it has no client to tell it so."""
    return all("trimtab_xds_streams 2.0" in asked(replica, "/metrics") for replica in replicas)


async def test_replicas_know_each_other_by_their_certificates(manifests: Path, secret: Secret) -> None:
    with ExitStack() as stack:
        arguments = (*secret.serve, "--peer-service", "trimtab.system:18000")
        replicas = [stack.enter_context(serving(manifests, *arguments)) for _ in range(2)]
        ports = [replica.xds.rpartition(":")[2] for replica in replicas]
        (manifests / "cluster.yaml").write_text(
            CONTROL_PLANE + "".join(REPLICA.replace("PORT", port) for port in ports)
        )
        await until(lambda: linked(*replicas))


async def test_a_replica_with_the_certificate_of_something_else_is_none(
    manifests: Path, tmp_path: Path, authority: trustme.CA, secret: Secret
) -> None:
    impostor = Secret(tmp_path / "impostor", authority, "web.prod")
    with serving(manifests, *impostor.serve) as other:
        port = other.xds.rpartition(":")[2]
        (manifests / "cluster.yaml").write_text(CONTROL_PLANE + REPLICA.replace("PORT", port))
        with serving(manifests, *secret.serve, "--peer-service", "trimtab.system:18000") as running:
            assert "Hostname Verification" in running.first("peer cannot be reached")["why"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--tls-cert",), "--tls-cert and --tls-key go together"),
        (("--tls-client-ca",), "--tls-cert and --tls-key go together"),
        (("--tls-cert", "--tls-key"), "--peers and --peer-service with TLS need --tls-client-ca"),
    ],
)
def test_options_that_need_others_say_so(manifests: Path, secret: Secret, options: tuple[str, ...], says: str) -> None:
    files = dict(zip(secret.serve[::2], secret.serve[1::2], strict=True))
    given = [part for option in options for part in (option, files[option])]
    ended = failing(*command(manifests, "--peers", "127.0.0.1:1", *given))
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith(f"trimtab serve: {says}")


@pytest.mark.parametrize("broken", ["certificate", "key", "ca"])
def test_files_that_cannot_be_used_say_which(manifests: Path, secret: Secret, broken: str) -> None:
    path: Path = getattr(secret, broken)
    path.write_text("nothing\n")
    ended = failing(*command(manifests, *secret.serve))
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert str(path) in ended.stderr


def test_a_file_that_is_not_there_says_which(manifests: Path, secret: Secret) -> None:
    secret.key.unlink()
    ended = failing(*command(manifests, *secret.serve))
    assert ended.returncode == 2
    assert f"{secret.key} cannot be read: No such file or directory" in ended.stderr
