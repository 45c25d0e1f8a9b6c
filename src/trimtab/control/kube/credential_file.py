"""What credentials are made of, as others write it: files that change at any moment, and text that goes into a header.

Whatever is wrong with any of it is a ClusterError, so that who has good ones already goes on with them.
"""

from pathlib import Path

from ...errors import ClusterError


def read(path: Path) -> bytes:
    """What is in a file. Raises ClusterError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ClusterError(f"{path} cannot be read: {error.strerror or error}") from error


def read_token(path: Path) -> str:
    """The token that a file holds. Raises ClusterError, also if it holds none: it may be just being written."""
    try:
        token = header_value(read(path).decode(), str(path))
    except UnicodeDecodeError as error:
        raise ClusterError(f"{path} is not text: {error}; a token is expected") from error
    if not token:
        raise ClusterError(f"{path} is empty; a token is expected")
    return token


def header_value(text: str, where: str) -> str:
    """`text` without the white space around it. Raises ClusterError for what no HTTP header can hold (RFC 9110, 5.5)."""
    value = text.strip()
    if not value.isprintable():
        raise ClusterError(
            f"{where}: there are control characters in it, and it is sent in a header; write it in one line"
        )
    return value


def pem_text(data: bytes, where: str) -> str:
    """Certificates for OpenSSL, which takes ASCII only; comments in between may be anything. Raises ClusterError."""
    if b"-----BEGIN " not in data:
        raise ClusterError(f"{where} is not PEM; if it is DER, convert it: openssl x509 -inform der -in FILE")
    return data.decode("ascii", "ignore")
