"""HOST:PORT, as users write it."""


def split_address(address: str) -> tuple[str, int]:
    """Host, without the brackets of an IPv6 address, and port. Raises ValueError with what was expected."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"expected HOST:PORT such as 127.0.0.1:8080, got {address!r}")
    return host, int(port)
