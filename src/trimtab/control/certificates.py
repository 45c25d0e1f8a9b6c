"""Certificates in files: who the xDS port says it is, and whose clients it takes. Files that change are taken up."""

import math
import ssl
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog

from ..errors import ServeError
from .arrivals import Arrivals
from .certificate_expiry import expiry
from .source import Metric

log = structlog.get_logger(__name__)

_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """PEM files, as cert-manager and `kubectl create secret tls` write them."""

    certificate: Path
    """The certificate, and behind it what leads to its authority."""
    key: Path
    client_ca: Path | None = None
    """The authorities that clients' certificates come from; None: clients need none."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """All that there are."""
        return (self.certificate, self.key) if self.client_ca is None else (self.certificate, self.key, self.client_ca)


@dataclass(frozen=True, slots=True)
class _Content:
    certificate: bytes
    key: bytes
    client_ca: bytes | None


class Certificates:
    """What the files hold. They are looked at for every connection; a mistake in them keeps the last good ones in use.

    gRPC asks from threads of its own.
    """

    refused = "certificate refused, the last good one stays"

    def __init__(self, files: CertificateFiles) -> None:
        """Raises ServeError if the files cannot be used."""
        self._files = files
        self.arrivals = Arrivals()
        """Who connects, and who comes in."""
        self._lock = threading.Lock()
        self._problem = ""
        self._stamp = _stamp(files)
        self._content = _read(files)
        self._expires_at = _expiry(self._content)
        self._used = self._content

    @property
    def client_ca(self) -> bool:
        """Whether clients need a certificate."""
        return self._files.client_ca is not None

    @property
    def problem(self) -> str:
        """What is wrong with the files as they are now; empty: nothing."""
        with self._lock:
            self._look()
            return self._problem

    @property
    def expires_at(self) -> float:
        """When the certificate that is in use expires, in seconds since the epoch; NaN: that cannot be read."""
        with self._lock:
            self._look()
            return self._expires_at

    def metrics(self) -> Iterable[Metric]:
        """What operators can see of them."""
        yield (
            "trimtab_tls_certificate_refused",
            "1 while the certificate files cannot be used as they are; the last good ones stay.",
            lambda: bool(self.problem),
        )
        yield (
            "trimtab_tls_certificate_expiry_timestamp_seconds",
            "When the certificate in use expires, in seconds since 1970.",
            lambda: self.expires_at,
        )
        yield (
            "trimtab_tls_connections_refused_total",
            "Connections on which no call came, as of clients without the certificate that they need.",
            lambda: self.arrivals.refused,
        )

    def server_credentials(self) -> grpc.ServerCredentials:
        """For a port: each connection gets what the files hold by then."""
        return grpc.dynamic_ssl_server_credentials(
            _configuration(self._content),
            # It may return None, for "as before"; grpc's types do not say so.
            self._fetch,  # type: ignore[arg-type]
            require_client_authentication=self.client_ca,
        )

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """To connect to another replica, which holds the same kind of certificate."""
        with self._lock:
            self._look()
            content = self._content
        return grpc.ssl_channel_credentials(content.client_ca, content.key, content.certificate)

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        self.arrivals.began()
        with self._lock:
            self._look()
            if self._used == self._content:
                return None
            self._used = self._content
            return _configuration(self._content)

    def _look(self) -> None:
        """Take in what the files hold now, if that can be used."""
        try:
            if (stamp := _stamp(self._files)) == self._stamp:
                self._problem = ""
                return
            content = _read(self._files)
            # Written to meanwhile: what was read may be half of each.
            if stamp != _stamp(self._files):
                return
        except ServeError as error:
            if self._problem != str(error):
                log.warning(self.refused, problem=str(error))
            self._problem = str(error)
            return
        self._stamp, self._problem = stamp, ""
        if content != self._content:
            self._content, self._expires_at = content, _expiry(content)
            log.info("certificate taken up", file=str(self._files.certificate))


def _stamp(files: CertificateFiles) -> _Stamp:
    return tuple(_stamp_of(path) for path in files.paths)


def _stamp_of(path: Path) -> tuple[int, int, int]:
    try:
        # Through links: a Secret's volume swaps the folder behind one.
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(files: CertificateFiles) -> _Content:
    certificate, key = _bytes(files.certificate), _bytes(files.key)
    client_ca = None if files.client_ca is None else _bytes(files.client_ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # An encrypted key would be asked for at the terminal otherwise.
        context.load_cert_chain(files.certificate, files.key, password="")
    except (ssl.SSLError, OSError) as error:
        raise ServeError(
            f"{files.certificate} and {files.key} are no certificate with its unencrypted key, both in PEM: {error}"
        ) from error
    if files.client_ca is not None:
        try:
            context.load_verify_locations(files.client_ca)
        except (ssl.SSLError, OSError) as error:
            raise ServeError(f"{files.client_ca} holds no authority's certificate in PEM: {error}") from error
    return _Content(certificate, key, client_ca)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> ServeError:
    return ServeError(f"{path} cannot be read: {error.strerror}; mount the Secret that holds it, or name another file")


def _expiry(content: _Content) -> float:
    try:
        return expiry(content.certificate)
    except ValueError:
        # OpenSSL could read it, so it may be used; nobody knows for how long.
        return math.nan


def _configuration(content: _Content) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(content.key, content.certificate)], content.client_ca)
