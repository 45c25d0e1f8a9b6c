"""One address that can serve a service, as the control plane describes it."""

import enum
from dataclasses import dataclass, field
from ipaddress import ip_address

Labels = tuple[tuple[str, str], ...]
"""Keys and values in the order of the keys; a tuple, so that an endpoint stays hashable and equal labels can be shared."""


class Health(enum.Enum):
    """How the control plane sees an endpoint; the words are those of `envoy.config.core.v3.HealthStatus`."""

    HEALTHY = "healthy"
    """Ready: takes new requests."""
    DRAINING = "draining"
    """Terminating but still serving: finishes its requests, takes new ones only when nobody else can."""
    UNHEALTHY = "unhealthy"
    """Takes no requests."""


@dataclass(frozen=True, slots=True, order=True)
class Locality:
    """Where an endpoint runs. Empty strings mean unknown (`envoy.config.core.v3.Locality`)."""

    region: str = ""
    zone: str = ""
    sub_zone: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.region, self.zone, self.sub_zone) if part) or "-"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What the control plane says about one address."""

    address: str
    """IP address, v4 or v6, without brackets; where the port is 0, a gRPC target such as `dns:///payments.prod:8080`."""
    port: int
    health: Health = Health.HEALTHY
    weight: int = 1
    """Share of requests relative to the other endpoints, at least 1."""
    additional_addresses: tuple[str, ...] = ()
    """The same endpoint's addresses in other IP families (gRFC A61)."""
    hostname: str = ""
    """Name for people: the Pod's name where there is one."""
    uid: str = ""
    """What tells two endpoints apart that had the same address at different times: the Pod's uid."""
    ready_since: float | None = field(default=None, compare=False)
    """Since when it takes requests, in Unix seconds on the control plane's clock; None: not known, so not new. No part of an
    assignment's version: replicas may have seen it at different times."""
    labels: Labels = ()
    """Labels of the Pod by which a part of the service can be chosen."""
    origin: str = ""
    """The service it belongs to, where that is another than the one asked for: a fallback."""

    def label(self, key: str) -> str | None:
        """The value of a label; None: it has none of that key."""
        return next((value for known, value in self.labels if known == key), None)

    @property
    def identity(self) -> tuple[str, int, str]:
        """What makes it the same endpoint across assignments. Pod addresses are reused, hence the uid."""
        return (self.address, self.port, self.uid)

    @property
    def authority(self) -> str:
        """`address:port` as a URI writes it, IPv6 in brackets; or the target."""
        if not self.port:
            return self.address
        host = f"[{self.address}]" if ip_address(self.address).version == 6 else self.address
        return f"{host}:{self.port}"
