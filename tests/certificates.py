"""Certificates of an authority that exists for one test, in files as a mounted Secret has them."""

from pathlib import Path

import trustme


class Secret:
    """`tls.crt`, `tls.key` and `ca.crt`, each swapped in one rename."""

    def __init__(self, folder: Path, authority: trustme.CA, *names: str) -> None:
        self.certificate = folder / "tls.crt"
        self.key = folder / "tls.key"
        self.ca = folder / "ca.crt"
        self._names = names
        folder.mkdir(parents=True, exist_ok=True)
        authority.cert_pem.write_to_path(self.ca)
        self.renew(authority)

    def renew(self, authority: trustme.CA) -> None:
        """From now on it holds another certificate for the same names."""
        leaf = authority.issue_cert(*self._names)
        put(self.key, leaf.private_key_pem.bytes())
        put(self.certificate, b"".join(pem.bytes() for pem in leaf.cert_chain_pems))

    @property
    def serve(self) -> tuple[str, ...]:
        """The arguments of a control plane that has it, and takes nobody without."""
        return (*self.client[2:], "--tls-client-ca", str(self.ca))

    @property
    def client(self) -> tuple[str, ...]:
        """The arguments of `trimtab bootstrap` for a client that has it."""
        return ("--tls-ca", str(self.ca), "--tls-cert", str(self.certificate), "--tls-key", str(self.key))


def put(path: Path, content: bytes) -> None:
    """Write a file in one go."""
    draft = path.with_suffix(".draft")
    draft.write_bytes(content)
    draft.replace(path)
