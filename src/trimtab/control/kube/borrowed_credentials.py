"""Credential plugins (`exec`) and OIDC, as the official Kubernetes client does them: the `kubeconfig` extra (docs/adr/0002)."""

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ...errors import ClusterError


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
        if fresh or self._loaded is None:
            self._loaded = self._load()
        token = self._loaded.get_api_key_with_prefix("BearerToken", alias="authorization")
        certificate, key = self._loaded.cert_file, self._loaded.key_file
        if not token and not certificate:
            raise ClusterError(f"context {self._context}: its plugin gave neither a token nor a certificate")
        pem = Path(certificate).read_bytes() + b"\n" + Path(key).read_bytes() if certificate else None
        return ({"Authorization": token} if token else {}), pem

    def _load(self) -> Any:
        try:
            client, config = import_module("kubernetes.client"), import_module("kubernetes.config")
        except ImportError:
            raise ClusterError(
                f"context {self._context}: its user has an exec plugin or an auth-provider, and that takes "
                "the official Kubernetes client: pip install 'trimtab[kubeconfig]'"
            ) from None
        configuration = client.Configuration()
        try:
            config.load_kube_config(self._files, self._context, client_configuration=configuration)
        except Exception as error:
            # It raises whatever its parts raise: its own errors, those of requests, of subprocess, of oauthlib.
            raise ClusterError(f"context {self._context}: no credentials: {error}") from error
        return configuration
