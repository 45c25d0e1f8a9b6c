"""kubeconfig files: several of them, contexts, and the credentials they hold.

How files are merged: "Organizing Cluster Access Using kubeconfig Files" in the Kubernetes docs. The first file to name a thing
decides; relative paths are relative to the file that names them. Credential plugins and OIDC are a library's business (docs/adr/0002).
"""

import base64
import os
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import structlog
import yaml

from ...errors import ClusterError
from .access import Access, TlsContexts
from .borrowed_credentials import BorrowedCredentials
from .credential_file import header_value, pem_text, read, read_token

log = structlog.get_logger(__name__)


class _Cluster(msgspec.Struct, rename="kebab"):
    server: str
    certificate_authority: str | None = None
    certificate_authority_data: str | None = None
    insecure_skip_tls_verify: bool = False
    tls_server_name: str | None = None
    proxy_url: str | None = None


class _User(msgspec.Struct, rename="kebab"):
    client_certificate: str | None = None
    client_certificate_data: str | None = None
    client_key: str | None = None
    client_key_data: str | None = None
    token: str | None = None
    token_file: str | None = msgspec.field(default=None, name="tokenFile")
    username: str | None = None
    impersonate: str | None = msgspec.field(default=None, name="as")
    as_uid: str | None = None
    as_groups: list[str] | None = None
    as_user_extra: dict[str, list[str]] | None = None
    exec: dict[str, Any] | None = None
    auth_provider: dict[str, Any] | None = None


class _Context(msgspec.Struct):
    cluster: str = ""
    user: str = ""
    namespace: str = ""


class _Kubeconfig(msgspec.Struct, rename="kebab"):
    current_context: str = ""
    clusters: list[dict[str, Any]] | None = None
    users: list[dict[str, Any]] | None = None
    contexts: list[dict[str, Any]] | None = None


class Kubeconfig:
    """One context of one or more kubeconfig files."""

    def __init__(self, files: Sequence[Path], context: str | None = None) -> None:
        """Raises ClusterError if the files do not say how to reach a cluster."""
        self._files = files
        self._wanted = context
        self._contexts = TlsContexts()
        self._borrowed: BorrowedCredentials | None = None
        self._warned = False
        self.name = self._read()[0]
        """The context in use."""

    def load(self, refused: bool) -> Access:
        """Read the files, and what they refer to. Raises ClusterError."""
        name, context, merged = self._read()
        cluster, cluster_file = merged.entry("clusters", "cluster", context.cluster, _Cluster)
        user, user_file = (
            merged.entry("users", "user", context.user, _User) if context.user else (_User(), self._files[0])
        )
        headers, client_pem = self._authenticate(user, user_file, name, refused)
        return Access(
            _server(cluster.server, cluster_file),
            self._tls(cluster, cluster_file, client_pem),
            headers,
            _impersonation(user, user_file),
            server_hostname=cluster.tls_server_name,
            proxy=_proxy(cluster.proxy_url, cluster_file),
            namespace=context.namespace,
        )

    def _read(self) -> tuple[str, _Context, "_Merged"]:
        merged = _Merged(self._files)
        name = self._wanted or merged.current_context
        if not name:
            raise ClusterError(f"{merged.names}: no current-context; choose one with --context: {merged.listed}")
        return name, merged.entry("contexts", "context", name, _Context)[0], merged

    def _authenticate(
        self, user: _User, file: Path, context: str, refused: bool
    ) -> tuple[dict[str, str], bytes | None]:
        """Headers, and certificate and key in one, of a user."""
        if user.exec or user.auth_provider:
            if self._borrowed is None:
                self._borrowed = BorrowedCredentials(self._files, context)
            return self._borrowed.get(fresh=refused)
        if user.username:
            raise ClusterError(f"{file}: user name and password are no longer accepted by Kubernetes; use a token")
        client_pem = _pem(user.client_certificate, user.client_certificate_data, file)
        key = _pem(user.client_key, user.client_key_data, file)
        # As kubectl: the file wins, for it is renewed.
        token = (
            read_token(file.parent / user.token_file)
            if user.token_file
            else header_value(user.token or "", f"{file}: token")
        )
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return headers, client_pem + b"\n" + (key or b"") if client_pem else None

    def _tls(self, cluster: _Cluster, file: Path, client_pem: bytes | None) -> ssl.SSLContext | bool:
        if not cluster.server.startswith("https://"):
            return True
        load_client = None if client_pem is None else lambda context: _load_client(context, client_pem)
        if cluster.insecure_skip_tls_verify:
            if not self._warned:
                log.warning(
                    "THE API SERVER'S CERTIFICATE IS NOT VERIFIED: anybody in between can pass for it",
                    server=cluster.server,
                    because="insecure-skip-tls-verify is set in the kubeconfig",
                )
                self._warned = True
            context = self._contexts.get(None, client_pem, load_client)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            return context
        ca = _pem(cluster.certificate_authority, cluster.certificate_authority_data, file)
        where = "certificate-authority-data" if cluster.certificate_authority_data else cluster.certificate_authority
        return self._contexts.get(None if ca is None else pem_text(ca, f"{file}: {where}"), client_pem, load_client)


class _Merged:
    """Several files as one."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._parts = [(path, _parse(path)) for path in files if path.exists() or len(files) == 1]
        self.names = os.pathsep.join(map(str, files))
        if not self._parts:
            raise ClusterError(f"{self.names}: there is no such kubeconfig file; name one with --kubeconfig")
        self.current_context = next((part.current_context for _, part in self._parts if part.current_context), "")

    @property
    def listed(self) -> str:
        """The contexts there are."""
        entries = [entry.get("name") for _, part in self._parts for entry in part.contexts or ()]
        return ", ".join(str(name) for name in entries) or "there is none"

    def entry(self, section: str, key: str, name: str, schema: type[Any]) -> tuple[Any, Path]:
        """What the first file that has it says under `name`, and which file that is."""
        for path, part in self._parts:
            for entry in getattr(part, section) or ():
                if entry.get("name") == name:
                    try:
                        return msgspec.convert(entry.get(key) or {}, schema), path
                    except msgspec.ValidationError as error:
                        raise ClusterError(f"{path}: {section} {name}: {error}") from error
        known = f"; there are: {self.listed}" if section == "contexts" else ""
        raise ClusterError(f"{self.names}: no {key} is called {name!r}{known}")


def default_files(environment: Mapping[str, str]) -> list[Path]:
    """The files that kubectl would read."""
    given = [Path(part) for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part]
    return given or [Path.home() / ".kube" / "config"]


def _parse(path: Path) -> _Kubeconfig:
    try:
        return msgspec.convert(yaml.safe_load(read(path)) or {}, _Kubeconfig)
    except yaml.YAMLError as error:
        raise ClusterError(f"{path}: not YAML: {error}") from error
    except msgspec.ValidationError as error:
        raise ClusterError(f"{path}: not a kubeconfig: {error}") from error


def _impersonation(user: _User, file: Path) -> list[tuple[str, str]]:
    """The headers of "User impersonation" in the Kubernetes docs, Authenticating."""
    headers = [("Impersonate-Uid", user.as_uid, "as-uid")] if user.as_uid else []
    headers += [("Impersonate-Group", group, "as-groups") for group in user.as_groups or ()]
    for key, values in (user.as_user_extra or {}).items():
        # What a header's name cannot hold is percent-encoded.
        headers += [(f"Impersonate-Extra-{quote(key, safe='')}", value, "as-user-extra") for value in values]
    if user.impersonate:
        headers.insert(0, ("Impersonate-User", user.impersonate, "as"))
    elif headers:
        raise ClusterError(f"{file}: {headers[0][2]} without as: Kubernetes takes it only together with a user's name")
    return [(name, header_value(value, f"{file}: {field}")) for name, value, field in headers]


def _server(text: str, file: Path) -> str:
    # Plain http, too: kubectl proxy speaks nothing else. What has no scheme is not guessed at, for a token may go there.
    if not _is_url(text):
        raise ClusterError(f"{file}: server must begin with https:// and name a host, got {text!r}")
    return text.rstrip("/")


def _proxy(text: str | None, file: Path) -> str | None:
    if text and not _is_url(text):
        raise ClusterError(f"{file}: proxy-url must begin with http:// or https:// and name a host, got {text!r}")
    return text or None


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return text.startswith(("https://", "http://")) and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _pem(path: str | None, data: str | None, file: Path) -> bytes | None:
    if data:
        try:
            return base64.b64decode(data, validate=True)
        except ValueError as error:
            raise ClusterError(f"{file}: a certificate or key is not base64: {error}") from error
    return read(file.parent / path) if path else None


def _load_client(context: ssl.SSLContext, pem: bytes) -> None:
    # OpenSSL reads files only; nobody else may read this one, and it is gone at once.
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
