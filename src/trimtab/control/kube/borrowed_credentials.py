"""Credential plugins (`exec`) and OIDC, as the official Kubernetes client does them: the `kubeconfig` extra (docs/adr/0002)."""

import contextlib
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ...errors import ClusterError
from .credential_file import header_value, read


class BorrowedCredentials:
    """The credentials of one context. Not for the event loop: a plugin is a program that may take seconds."""

    def __init__(self, files: Sequence[Path], context: str) -> None:
        self._files = os.pathsep.join(map(str, files))
        self._context = context
        self._loaded: Any = None

    def get(self, *, fresh: bool) -> tuple[dict[str, str], bytes | None]:
        """Request headers, and the client certificate with its key, if there is one. Raises ClusterError.

        The library knows when a token expires; `fresh` asks for a new one before that, for the last one was refused.
        """
        with _logged_errors() as causes:
            try:
                if fresh or self._loaded is None:
                    self._loaded = self._load()
                # It may run the plugin again.
                token = self._loaded.get_api_key_with_prefix("BearerToken", alias="authorization")
            except ClusterError:
                raise
            except Exception as error:
                # It raises whatever its parts raise: its own errors, those of requests, of subprocess, of oauthlib.
                raise ClusterError(f"context {self._context}: no credentials: {error}") from error
        certificate, key = self._loaded.cert_file, self._loaded.key_file
        if not token and not certificate:
            why = "".join(f": {cause}" for cause in causes)
            raise ClusterError(f"context {self._context}: its plugin gave neither a token nor a certificate{why}")
        pem = read(Path(certificate)) + b"\n" + read(Path(key)) if certificate else None
        where = f"context {self._context}: the token of its plugin"
        return ({"Authorization": header_value(token, where)} if token else {}), pem

    def _load(self) -> Any:
        try:
            client, config = import_module("kubernetes.client"), import_module("kubernetes.config")
        except ImportError:
            raise ClusterError(
                f"context {self._context}: its user has an exec plugin or an auth-provider, and that takes "
                "the official Kubernetes client: pip install 'trimtab[kubeconfig]'"
            ) from None
        configuration = client.Configuration()
        config.load_kube_config(self._files, self._context, client_configuration=configuration)
        return configuration


@contextlib.contextmanager
def _logged_errors() -> Iterator[list[str]]:
    """What this thread logs as an error meanwhile: the library says by that alone why a plugin did not run."""
    heard: list[str] = []
    thread = threading.get_ident()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                heard.append(record.getMessage())

    listener = Listener(logging.ERROR)
    root = logging.getLogger()
    root.addHandler(listener)
    try:
        yield heard
    finally:
        root.removeHandler(listener)
