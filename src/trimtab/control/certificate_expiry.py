"""Until when a certificate is valid: the one field that Python's own library does not tell of a certificate that is not verified.

A walk over DER (X.690) to `tbsCertificate.validity.notAfter` (RFC 5280, 4.1).
"""

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

_VERSION, _UTC_TIME = 0xA0, 0x17
_BLOCK = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_BEFORE_VALIDITY = 3
"""serialNumber, signature and issuer."""


def expiry(pem: bytes) -> float:
    """When the first certificate in `pem` expires, in seconds since the epoch. Raises ValueError."""
    block = _BLOCK.search(pem.decode("ascii", errors="replace"))
    if block is None:
        raise ValueError("there is no certificate")
    try:
        _, certificate = next(_elements(ssl.PEM_cert_to_DER_cert(block[0])))
        _, signed = next(_elements(certificate))
        fields = [content for tag, content in _elements(signed) if tag != _VERSION]
        _, (tag, content) = _elements(fields[_BEFORE_VALIDITY])
    except (IndexError, StopIteration) as error:
        raise ValueError("the certificate breaks off") from error
    return _time(tag, content.decode("ascii"))


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element, one after the other."""
    at = 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(der[at : at + size], "big"), at + size
        yield tag, der[at : at + length]
        at += length


def _time(tag: int, text: str) -> float:
    if tag == _UTC_TIME:
        # Two digits of the year: from 50 on it is the last century (RFC 5280, 4.1.2.5.1).
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
