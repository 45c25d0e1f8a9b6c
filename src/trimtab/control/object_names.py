"""What Kubernetes objects may be called. No I/O.

The API server refuses other names; in a file nobody did, and a service of such a name could be served but never asked for. Rules:
Kubernetes, "Object Names and IDs", and for ports the API reference of Service and EndpointSlice.
"""

import re
from collections.abc import Iterator

from .kubernetes import EndpointSlice, Object, Service

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_EXPECTED = {
    _LABEL: "a DNS label (a-z, 0-9 and -, at most 63 characters)",
    _SUBDOMAIN: "a DNS name (a-z, 0-9, - and ., at most 253 characters)",
}


def misnamed(item: Object) -> tuple[str, str] | None:
    """The first field with a name that Kubernetes would refuse, and why; None: all is well."""
    for field, name, rule in _names(item):
        if not rule.fullmatch(name):
            return field, f"expected {_EXPECTED[rule]}, got {name!r}"
    return None


def _names(item: Object) -> Iterator[tuple[str, str, re.Pattern[str]]]:
    # Since Kubernetes 1.34 the name of a Service may begin with a digit, as that of a namespace always could.
    yield "metadata.name", item.metadata.name, _LABEL if isinstance(item, Service) else _SUBDOMAIN
    yield "metadata.namespace", item.metadata.namespace, _LABEL
    if isinstance(item, Service):
        yield from _port_names("spec.ports", (port.name for port in item.spec.ports or ()))
    elif isinstance(item, EndpointSlice):
        yield from _port_names("ports", (port.name for port in item.ports or ()))


def _port_names(path: str, names: Iterator[str | None]) -> Iterator[tuple[str, str, re.Pattern[str]]]:
    for index, name in enumerate(names):
        # An only port needs no name.
        if name:
            yield f"{path}[{index}].name", name, _LABEL
