"""How to reach a Kubernetes API server, and as whom. Read again when the server says no, and now and then before it does."""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from ...errors import ClusterError
from .credential_file import pem_text, read, read_token

log = structlog.get_logger(__name__)

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
RENEW_S = 60.0
"""After which a token is read again. The kubelet renews a Pod's token long before it expires (KEP-1205)."""


@dataclass(frozen=True, slots=True)
class Access:
    """Everything a request needs besides its path."""

    server: str
    """`https://host:port`, maybe with a path in front of every other."""
    tls: ssl.SSLContext | bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    impersonation: Sequence[tuple[str, str]] = ()
    """Headers that say whom to pass for; some of them repeat."""
    server_hostname: str | None = None
    """Name to expect in the server's certificate, where it is not the host's."""
    proxy: str | None = None
    namespace: str = ""
    """The namespace that the configuration names; it restricts nothing."""


Load = Callable[[bool], Access]
"""Reads files and may run a credential plugin; True: the server refused the last one. Raises ClusterError."""


class AccessSource:
    """Loads an Access when one is needed, and again when the last one was refused or is old."""

    def __init__(self, load: Load, clock: Callable[[], float] = time.monotonic) -> None:
        """`load` is called in a thread."""
        self._load = load
        self._clock = clock
        self._access: Access | None = None
        self._read_at = 0.0
        self._refused = False
        self._loading = asyncio.Lock()

    async def current(self) -> Access:
        """What to use for the next request. Raises ClusterError if it was never readable; later the last one stays."""
        async with self._loading:
            if self._access is None or self._refused or self._clock() - self._read_at >= RENEW_S:
                await self._renew()
            assert self._access is not None
            return self._access

    def refused(self) -> None:
        """The server did not accept the last one, or its certificate was not the expected one: read again."""
        self._refused = True

    async def _renew(self) -> None:
        try:
            self._access = await asyncio.to_thread(self._load, self._refused)
        except Exception as error:
            # Whatever a file or a plugin is like: requests that may be refused are better than none.
            why = str(error) if isinstance(error, ClusterError) else f"{type(error).__name__}: {error}"
            if self._access is None:
                raise ClusterError(why) from error
            log.warning("credentials cannot be read again, the last ones stay in use", why=why)
        self._read_at, self._refused = self._clock(), False


class TlsContexts:
    """TLS contexts by what they are made from: connections are shared as long as nothing of it changes."""

    def __init__(self) -> None:
        self._made_from: tuple[object, ...] | None = None
        self._context: ssl.SSLContext | None = None

    def get(
        self, ca_pem: str | None, client_pem: bytes | None, load_client: Callable[[ssl.SSLContext], None] | None
    ) -> ssl.SSLContext:
        """A context that trusts `ca_pem` (None: what the system trusts) and shows the client certificate it is given."""
        made_from = (ca_pem, client_pem)
        if self._context is None or self._made_from != made_from:
            try:
                context = ssl.create_default_context(cadata=ca_pem)
                if load_client is not None:
                    load_client(context)
            except (ssl.SSLError, ValueError, OSError) as error:
                raise ClusterError(f"the certificates for the Kubernetes API cannot be used: {error}") from error
            self._context, self._made_from = context, made_from
        return self._context


def in_cluster(environment: Mapping[str, str], folder: Path = SERVICE_ACCOUNT) -> Load:
    """Access from inside a Pod, by its service account. Raises ClusterError when this is no Pod of a cluster."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise ClusterError(
            "this is not a Pod in a cluster: KUBERNETES_SERVICE_HOST is not set; "
            "name a source with --manifests FOLDER, --kubeconfig FILE or $KUBECONFIG"
        )
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    contexts = TlsContexts()

    def load(refused: bool) -> Access:
        ca_file, namespace_file = folder / "ca.crt", folder / "namespace"
        try:
            token, ca_pem = read_token(folder / "token"), pem_text(read(ca_file), str(ca_file))
        except ClusterError as error:
            if (folder / "token").exists():
                raise
            raise ClusterError(
                f"{error}; does the Pod mount its service account token (automountServiceAccountToken)?"
            ) from error
        namespace = read(namespace_file).decode(errors="replace").strip() if namespace_file.exists() else ""
        headers = {"Authorization": f"Bearer {token}"}
        return Access(server, contexts.get(ca_pem, None, None), headers, namespace=namespace)

    return load
