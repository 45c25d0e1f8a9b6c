"""A certificate for 127.0.0.1, by an authority of its own."""

import ssl
from pathlib import Path

import trustme


def server_certificate(folder: Path) -> ssl.SSLContext:
    """Write `ca.crt`, `server.crt` and `server.key`; what trusts them."""
    ca = trustme.CA()
    issued = ca.issue_cert("127.0.0.1", "localhost")
    (folder / "ca.crt").write_bytes(ca.cert_pem.bytes())
    (folder / "server.crt").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    (folder / "server.key").write_bytes(issued.private_key_pem.bytes())
    return ssl.create_default_context(cadata=ca.cert_pem.bytes().decode())
