"""Just enough protobuf encoding to glue bytes that are already encoded.

Protobuf messages concatenate: the fields of a message may be serialised apart and joined. So a resource's body is encoded
once per change, and a response is its bytes plus a few of envelope.
"""

_LENGTH_DELIMITED = 2
_SINGLE = tuple(bytes([number]) for number in range(0x80))


def varint(number: int) -> bytes:
    """A non-negative integer as a base-128 varint (protobuf encoding guide)."""
    if number < 0x80:
        return _SINGLE[number]
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def delimited(field: int, payload: bytes) -> bytes:
    """A length-delimited field: string, bytes or an encoded message."""
    key, size = field << 3 | _LENGTH_DELIMITED, len(payload)
    if key < 0x80 and size < 0x80:
        # What every response has a few of.
        return _SINGLE[key] + _SINGLE[size] + payload
    return varint(key) + varint(size) + payload


def text(field: int, value: str) -> bytes:
    """A string field; empty strings are left out, as proto3 does."""
    return delimited(field, value.encode()) if value else b""
