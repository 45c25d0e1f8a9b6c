"""The Kubernetes objects the control plane reads, reduced to the fields it uses. Unknown fields are ignored.

Field names and meanings: kubernetes/api `core/v1` and `discovery/v1`. They are plain data without cycles, hence `gc=False`: a
hundred thousand endpoints must not make the garbage collector pause the event loop.
"""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct, ValidationError, convert, field

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
ZONE_LABEL = "topology.kubernetes.io/zone"
REGION_LABEL = "topology.kubernetes.io/region"
EXTERNAL_NAME = "ExternalName"
"""The type of a Service that is a name for something outside of the cluster."""
POLICY_ANNOTATION = "trimtab.dev/policy"
TRIGGERED_ANNOTATION = "endpoints.kubernetes.io/last-change-trigger-time"
"""On a slice, by its controller: when the Pod or Service changed because of which it was written last."""
FALLBACK_ANNOTATION = "trimtab.dev/fallback-for"
"""On a Service: the namespaces, or SERVICE.NAMESPACE, that may fall back to it from elsewhere; `*` for all."""

Port = Annotated[int, Meta(ge=1, le=65535)]
Name = Annotated[str, Meta(min_length=1)]
ObjectKey = tuple[str, str, str]
"""Kind, namespace, name."""


class Metadata(Struct, frozen=True, gc=False, rename="camel"):
    """What every object carries."""

    name: Name
    namespace: Name = "default"
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    uid: str = ""
    resource_version: str = ""


class ServicePortSpec(Struct, frozen=True, gc=False, rename="camel"):
    """One port of a Service."""

    port: Port
    name: str | None = None
    protocol: str = "TCP"
    app_protocol: str | None = None


class ServiceSpec(Struct, frozen=True, gc=False, rename="camel"):
    """What a Service asks for."""

    type: str = "ClusterIP"
    ports: list[ServicePortSpec] | None = None
    cluster_ip: str | None = field(default=None, name="clusterIP")
    cluster_ips: list[str] | None = field(default=None, name="clusterIPs")
    ip_families: list[str] | None = None
    external_name: str | None = None
    internal_traffic_policy: str | None = None
    traffic_distribution: str | None = None


class Service(Struct, frozen=True, gc=False, rename="camel", tag_field="kind"):
    """A Service of core/v1."""

    metadata: Metadata
    spec: ServiceSpec = ServiceSpec()

    @property
    def key(self) -> ObjectKey:
        return ("Service", self.metadata.namespace, self.metadata.name)


class Conditions(Struct, frozen=True, gc=False, rename="camel"):
    """State of an endpoint; what is not said counts as Kubernetes defines it."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class TargetRef(Struct, frozen=True, gc=False, rename="camel"):
    """The object behind an endpoint, usually a Pod."""

    name: str = ""
    uid: str = ""


class Hint(Struct, frozen=True, gc=False):
    """A zone or a Node by its name."""

    name: str


class Hints(Struct, frozen=True, gc=False, rename="camel"):
    """For which clients an endpoint is near, as whoever made the slice sees it."""

    for_zones: list[Hint] | None = None
    for_nodes: list[Hint] | None = None


class SliceEndpoint(Struct, frozen=True, gc=False, rename="camel"):
    """One endpoint of a slice. Only the first address has a meaning."""

    addresses: Annotated[list[str], Meta(min_length=1)]
    conditions: Conditions | None = None
    node_name: str | None = None
    zone: str | None = None
    target_ref: TargetRef | None = None
    hints: Hints | None = None


class SlicePort(Struct, frozen=True, gc=False, rename="camel"):
    """One port of a slice, matched with the Service's by name."""

    port: Port | None = None
    name: str | None = None
    protocol: str | None = None
    app_protocol: str | None = None


class EndpointSlice(Struct, frozen=True, gc=False, rename="camel", tag_field="kind"):
    """An EndpointSlice of discovery.k8s.io/v1."""

    metadata: Metadata
    address_type: str
    endpoints: list[SliceEndpoint] | None = None
    ports: list[SlicePort] | None = None

    @property
    def key(self) -> ObjectKey:
        return ("EndpointSlice", self.metadata.namespace, self.metadata.name)

    @property
    def service(self) -> tuple[str, str]:
        """Namespace and name of the Service the slice belongs to; the name is empty if none is given."""
        return self.metadata.namespace, (self.metadata.labels or {}).get(SERVICE_NAME_LABEL, "")

    @property
    def triggered_at(self) -> float | None:
        """When what the slice tells of happened, in Unix seconds on whichever clock its controller goes by; None: it does not say."""
        try:
            return convert((self.metadata.annotations or {}).get(TRIGGERED_ANNOTATION), datetime).timestamp()
        except ValidationError:
            return None


class Node(Struct, frozen=True, gc=False, rename="camel", tag_field="kind"):
    """A Node of core/v1; it has no namespace."""

    metadata: Metadata

    @property
    def key(self) -> ObjectKey:
        return ("Node", "", self.metadata.name)

    def label(self, name: str) -> str:
        """A label's value; empty if it has none."""
        return (self.metadata.labels or {}).get(name, "")


class Pod(Struct, frozen=True, gc=False, rename="camel", tag_field="kind"):
    """A Pod of core/v1: which one it is, its labels, and since when it is ready."""

    metadata: Metadata
    ready_since: float | None = None
    """When its condition Ready last became true, in Unix seconds on the clock of its Node; None: it is not, or nobody said."""

    @property
    def key(self) -> ObjectKey:
        return ("Pod", self.metadata.namespace, self.metadata.name)


Object = Service | EndpointSlice | Node | Pod
