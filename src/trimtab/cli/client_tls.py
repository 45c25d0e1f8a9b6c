"""How a client is to speak TLS with the control plane, in the dialects of the bootstraps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from ..errors import ServeError
from .listen_address import ListenAddress

Json = dict[str, Any]

_ROOTS = "/etc/ssl/certs/ca-certificates.crt"
"""The system's authorities in Envoy's images, and where Debian has them."""
_TLS_CONTEXT = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


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

    def transport_socket(self, servers: Sequence[ListenAddress]) -> Json | None:
        """For Envoy's cluster of the control plane; None: plain text. The certificate must be for one of `servers`."""
        if not self.wanted:
            return None
        validation: Json = {
            "trusted_ca": {"filename": self.tls_ca or _ROOTS},
            # Without it any certificate of the authority would do.
            "match_typed_subject_alt_names": [_subject(server) for server in servers],
        }
        common: Json = {"validation_context": validation}
        if self.tls_cert is not None:
            pair = {"certificate_chain": {"filename": self.tls_cert}, "private_key": {"filename": self.tls_key}}
            common["tls_certificates"] = [pair]
        context = {"@type": _TLS_CONTEXT, "common_tls_context": common, "auto_host_sni": True}
        return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _subject(server: ListenAddress) -> Json:
    return {"san_type": "IP_ADDRESS" if server.is_ip else "DNS", "matcher": {"exact": server.host}}
