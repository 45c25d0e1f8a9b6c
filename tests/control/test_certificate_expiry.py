import contextlib
from datetime import UTC, datetime

import pytest
import trustme
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from trimtab.control.certificate_expiry import expiry

# From 2050 on times are written in another form (RFC 5280, 4.1.2.5).
MOMENTS = [
    datetime(2026, 12, 1, 3, 4, 5, tzinfo=UTC),
    datetime(2049, 12, 31, tzinfo=UTC),
    datetime(2050, 1, 1, tzinfo=UTC),
]


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
@pytest.mark.parametrize("key", list(trustme.KeyType))
def test_it_is_what_another_reader_says(moment: datetime, key: trustme.KeyType) -> None:
    leaf = trustme.CA().issue_cert("payments.prod", common_name="x" * 60, not_after=moment, key_type=key)
    pem = b"".join(part.bytes() for part in leaf.cert_chain_pems)
    assert expiry(pem) == x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp() == moment.timestamp()


def test_text_around_the_certificate_is_passed_over() -> None:
    pem = trustme.CA().issue_cert("a", not_after=MOMENTS[0]).cert_chain_pems[0].bytes()
    assert expiry(b"subject=CN = a\n" + pem + b"\nmore\n") == MOMENTS[0].timestamp()


PEM = trustme.CA().issue_cert("payments.prod").cert_chain_pems[0].bytes()


@given(st.integers(0, len(PEM) - 1), st.binary(max_size=3))
def test_whatever_is_damaged_is_read_or_refused(place: int, other: bytes) -> None:
    with contextlib.suppress(ValueError):
        expiry(PEM[:place] + other + PEM[place + 1 :])
