"""How a client is to speak TLS with the control plane, in the dialects of the bootstraps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ..errors import ServeError
from .listen_address import ListenAddress

Json = dict[str, Any]

_ROOTS = "/etc/ssl/certs/ca-certificates.crt"
"""The system's authorities in Envoy's images, and where Debian has them."""
_TLS_CONTEXT = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
_SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
AUTHORITIES, CERTIFICATE = "xds-authorities", "xds-certificate"
"""What Envoy knows its secrets by, and what their files are called."""


@dataclass(frozen=True, kw_only=True)
class ClientTls:
    """Files as the client will see them; they need not be here."""

    tls: Annotated[bool, Parameter(negative=())] = False
    """Speak TLS, and trust the system's authorities unless --tls-ca says otherwise. The other options imply it."""
    tls_ca: str | None = None
    """PEM file with the authorities that the control plane's certificate may come from."""
    tls_cert: str | None = None
    """PEM file with the client's certificate, where the control plane asks for one."""
    tls_key: str | None = None
    """PEM file with its private key."""

    def check(self) -> None:
        """Raises ServeError if half of a pair is missing."""
        if (self.tls_cert is None) is not (self.tls_key is None):
            raise ServeError("--tls-cert and --tls-key go together: give both")

    @property
    def wanted(self) -> bool:
        """Whether there is TLS at all."""
        return self.tls or bool(self.tls_ca or self.tls_cert)

    def channel_creds(self) -> list[Json]:
        """For gRPC's bootstrap (gRFC A65)."""
        if not self.wanted:
            return [{"type": "insecure"}]
        files = {
            "ca_certificate_file": self.tls_ca,
            "certificate_file": self.tls_cert,
            "private_key_file": self.tls_key,
        }
        return [{"type": "tls", "config": {key: file for key, file in files.items() if file}}]


def transport_socket(tls: ClientTls, servers: Sequence[ListenAddress], secrets: Path | None) -> Json | None:
    """For Envoy's cluster of the control plane; None: plain text. The certificate must be for one of `servers`.

    With `secrets`, the folder in which Envoy will find the files of `envoy_secrets`, it takes up files that are renewed.
    """
    if not tls.wanted:
        return None
    # Without it any certificate of the authority would do.
    names: Json = {"match_typed_subject_alt_names": [_subject(server) for server in servers]}
    common: Json = {}
    if secrets is None:
        common["validation_context"] = {**names, **_authorities(tls)}
    else:
        source = _from_file(secrets, AUTHORITIES)
        common["combined_validation_context"] = {
            "default_validation_context": names,
            "validation_context_sds_secret_config": source,
        }
    if tls.tls_cert is not None and secrets is None:
        common["tls_certificates"] = [_certificate(tls)]
    elif tls.tls_cert is not None and secrets is not None:
        common["tls_certificate_sds_secret_configs"] = [_from_file(secrets, CERTIFICATE)]
    context = {"@type": _TLS_CONTEXT, "common_tls_context": common, "auto_host_sni": True}
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def envoy_secrets(tls: ClientTls) -> dict[str, Json]:
    """By file name: what Envoy reads again when the folder of its PEM files changes (`SdsSecretConfig` with a path)."""
    if not tls.wanted:
        return {}
    authorities = {"validation_context": _watched(_authorities(tls), tls.tls_ca or _ROOTS)}
    files = {f"{AUTHORITIES}.json": _secret(AUTHORITIES, authorities)}
    if tls.tls_cert is not None:
        certificate = {"tls_certificate": _watched(_certificate(tls), tls.tls_cert)}
        files[f"{CERTIFICATE}.json"] = _secret(CERTIFICATE, certificate)
    return files


def _authorities(tls: ClientTls) -> Json:
    return {"trusted_ca": {"filename": tls.tls_ca or _ROOTS}}


def _certificate(tls: ClientTls) -> Json:
    return {"certificate_chain": {"filename": tls.tls_cert}, "private_key": {"filename": tls.tls_key}}


def _watched(files: Json, file: str) -> Json:
    return {**files, "watched_directory": {"path": str(Path(file).parent)}}


def _secret(name: str, content: Json) -> Json:
    return {"resources": [{"@type": _SECRET, "name": name, **content}]}


def _from_file(folder: Path, name: str) -> Json:
    path = {"path_config_source": {"path": str(folder / f"{name}.json")}, "resource_api_version": "V3"}
    return {"name": name, "sds_config": path}


def _subject(server: ListenAddress) -> Json:
    return {"san_type": "IP_ADDRESS" if server.is_ip else "DNS", "matcher": {"exact": server.host}}
