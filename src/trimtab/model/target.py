"""The names users type, and the one service they mean.

`xds:///payments.prod:8080`, `payments.prod:grpc` (port name), `payments.prod.svc.cluster.local:8080`, `payments.prod`
(a service with one port) and `payments` (own namespace) are forms of the same name. Each may end in `/shard=7`: only the
endpoints whose Pods have that label. Naming rules, as Kubernetes validates them: RFC 1123 labels for service, namespace and port
of the service (the 15 characters of RFC 6335 are for ports of containers), and those of label selectors. A port of digits alone is
a number.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from ..errors import TargetError

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LENGTH_MAX = 1024
"""Characters in a target: more than any name in Kubernetes can take, and few enough to keep."""
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_EXPECTED = (
    "expected [xds:///]SERVICE[.NAMESPACE[.svc[.DOMAIN]]][:PORT][/LABEL=VALUE], for example xds:///payments.prod:8080"
)


@dataclass(frozen=True, slots=True)
class ServiceRef:
    """A service and, unless it has only one, which of its ports."""

    name: str
    namespace: str | None
    """None: the namespace of whoever asks."""
    port: str | None = None
    """Number or name of the service's port; None: its only one."""
    subset: tuple[str, str] | None = None
    """Key and value of the Pod label that its endpoints are to have; None: all of them."""

    @classmethod
    def parse(cls, target: str) -> "ServiceRef":
        """The service that `target` names. Raises TargetError."""
        given: object = target
        if not isinstance(given, str):
            raise TargetError(f"target {given!r} is no text; {_EXPECTED}")
        return _parse(target)

    def within(self, namespace: str) -> "ServiceRef":
        """The same reference with the namespace filled in where it was left open."""
        return self if self.namespace else replace(self, namespace=namespace)

    @property
    def whole(self) -> "ServiceRef":
        """The service with all its endpoints."""
        return self if self.subset is None else replace(self, subset=None)

    def __str__(self) -> str:
        host = f"{self.name}.{self.namespace}" if self.namespace else self.name
        service = f"{host}:{self.port}" if self.port else host
        return f"{service}/{self.subset[0]}={self.subset[1]}" if self.subset else service


# A control plane reads the same names with every change, for every stream.
@lru_cache(maxsize=16_384)
def _parse(target: str) -> ServiceRef:
    if len(target) > _LENGTH_MAX:
        raise TargetError(f"target {target[:60]!r}… has more than {_LENGTH_MAX} characters; {_EXPECTED}")
    service, slash, selector = strip_scheme(target).partition("/")
    host, port = _split_port(service, target)
    labels = host.lower().removesuffix(".").split(".")
    if len(labels) > 2 and labels[2] != "svc":
        raise TargetError(
            f"target {target!r}: {host!r} is not the name of a Kubernetes service; {_EXPECTED}. "
            "For an address or an outside host use grpc's own channel"
        )
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise TargetError(f"target {target!r}: {label!r} is not a DNS label; {_EXPECTED}")
    subset = _split_selector(selector, target) if slash else None
    return ServiceRef(labels[0], labels[1] if len(labels) > 1 else None, port, subset)


def strip_scheme(target: str) -> str:
    """`target` without `xds:///`. Raises TargetError for another scheme or an xDS authority (gRFC A47)."""
    if "://" not in target:
        return target.removeprefix("xds:")
    scheme, _, rest = target.partition("://")
    if scheme != "xds":
        hint = rest.lstrip("/") or "SERVICE.NAMESPACE:PORT"
        raise TargetError(f"target {target!r}: scheme {scheme!r} is not served by Trimtab; write xds:///{hint}")
    if not rest.startswith("/"):
        raise TargetError(f"target {target!r}: xDS authorities are not supported; write three slashes: xds:///{rest}")
    return rest[1:]


def _split_selector(selector: str, target: str) -> tuple[str, str]:
    key, _, value = selector.partition("=")
    if not LABEL_KEY.fullmatch(key) or "=" not in selector:
        raise TargetError(f"target {target!r}: {selector!r} is not KEY=VALUE of a Pod label; {_EXPECTED}")
    if not _LABEL_VALUE.fullmatch(value):
        raise TargetError(f"target {target!r}: {value!r} is not the value of a label; {_EXPECTED}")
    return key, value


def _split_port(name: str, target: str) -> tuple[str, str | None]:
    host, colon, port = name.partition(":")
    if not host:
        raise TargetError(f"target {target!r}: no service name; {_EXPECTED}")
    if not colon:
        return host, None
    if port.isascii() and port.isdigit():
        if not 1 <= int(port) <= 65535:
            raise TargetError(f"target {target!r}: port {port} is not between 1 and 65535")
        return host, str(int(port))
    if not _LABEL.fullmatch(port):
        raise TargetError(f"target {target!r}: {port!r} is neither a port number nor a port name; {_EXPECTED}")
    return host, port
