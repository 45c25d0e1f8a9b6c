"""What the options about TLS of `trimtab serve` mean."""

from dataclasses import dataclass
from pathlib import Path

from ..control.certificates import CertificateFiles, Certificates
from ..errors import ServeError


@dataclass(frozen=True, slots=True)
class Tls:
    """The files, as they were given."""

    certificate: Path | None
    key: Path | None
    client_ca: Path | None

    def certificates(self, *, replicas: bool) -> Certificates | None:
        """What they hold; None: no TLS. Raises ServeError. `replicas`: there are others to connect to."""
        if self.certificate is None or self.key is None:
            if self.certificate or self.key or self.client_ca:
                raise ServeError(
                    "--tls-cert and --tls-key go together, and --tls-client-ca needs both: give what is missing"
                )
            return None
        if replicas and self.client_ca is None:
            raise ServeError(
                "--peers and --peer-service with TLS need --tls-client-ca, by which replicas trust each other"
            )
        return Certificates(CertificateFiles(self.certificate, self.key, self.client_ca))
