from google.protobuf.wrappers_pb2 import BytesValue, StringValue, UInt64Value
from hypothesis import given
from hypothesis import strategies as st

from trimtab.xds.wire import delimited, text, varint


@given(st.integers(0, 2**64 - 1))
def test_varints_are_protobufs(number: int) -> None:
    assert UInt64Value.FromString(b"\x08" + varint(number)).value == number


@given(st.binary(max_size=40_000))
def test_delimited_fields_are_protobufs(payload: bytes) -> None:
    assert BytesValue.FromString(delimited(1, payload)).value == payload


@given(st.text())
def test_strings_are_written_as_protobuf_writes_them(value: str) -> None:
    assert text(1, value) == StringValue(value=value).SerializeToString()
