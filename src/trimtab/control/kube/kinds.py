"""The kinds of object that are followed: where they are found, what is read of them, and what goes without."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import Struct

from ..kubernetes import EndpointSlice, Metadata, Name, Node, Object, Pod, Service


class _Labelled(Struct, frozen=True, gc=False, rename="camel"):
    """Metadata without annotations, of which Nodes and Pods have many that say nothing here."""

    name: Name
    namespace: str = ""
    labels: dict[str, str] | None = None
    uid: str = ""
    resource_version: str = ""

    def metadata(self) -> Metadata:
        return Metadata(
            self.name, self.namespace, labels=self.labels, uid=self.uid, resource_version=self.resource_version
        )


class _MetadataOnly(Struct, frozen=True, gc=False):
    """A PartialObjectMetadata of meta.k8s.io/v1, or as much of any other object."""

    metadata: _Labelled


class _Condition(Struct, frozen=True, gc=False, rename="camel"):
    """A PodCondition of core/v1."""

    type: str = ""
    status: str = ""
    last_transition_time: datetime | None = None


class _PodStatus(Struct, frozen=True, gc=False):
    conditions: list[_Condition] | None = None


class _Pod(Struct, frozen=True, gc=False):
    """As much of a Pod as is read of it."""

    metadata: _Labelled
    status: _PodStatus = _PodStatus()


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object in the Kubernetes API."""

    name: str
    group: str
    """API group; empty for the core group."""
    resource: str
    schema: Any
    """What an object is decoded to."""
    page_size: int
    """How many objects a page of a list has, so that decoding one takes a few milliseconds."""
    convert: Callable[[Any], Object] = lambda item: item
    metadata_only: bool = False
    namespaced: bool = True
    labelled_with_service: bool = True
    """Whether a label selector for Services selects these objects too: slices carry the labels of their Service."""
    without: str = ""
    """What goes without where there is no permission; empty: nothing does."""

    def path(self, namespace: str) -> str:
        """The path of the collection; an empty namespace means all of them."""
        root = f"/apis/{self.group}/v1" if self.group else "/api/v1"
        scope = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{root}{scope}/{self.resource}"

    def accept(self, *, stream: bool) -> str:
        """The media type to ask for; plain JSON where the server knows no metadata-only form."""
        if not self.metadata_only:
            return "application/json"
        form = "PartialObjectMetadata" if stream else "PartialObjectMetadataList"
        return f"application/json;as={form};g=meta.k8s.io;v=v1,application/json"

    def rule(self) -> str:
        """The rule that a Role needs in order to allow following these objects."""
        return f'{{apiGroups: ["{self.group}"], resources: ["{self.resource}"], verbs: ["get", "list", "watch"]}}'


def _node(item: _MetadataOnly) -> Node:
    return Node(item.metadata.metadata())


def _pod(item: _Pod) -> Pod:
    return Pod(item.metadata.metadata(), _ready_since(item.status.conditions or ()))


def _ready_since(conditions: Iterable[_Condition]) -> float | None:
    for condition in conditions:
        if condition.type == "Ready" and condition.status == "True" and condition.last_transition_time is not None:
            return condition.last_transition_time.timestamp()
    return None


SERVICES = Kind("Service", "", "services", Service, page_size=500)
SLICES = Kind("EndpointSlice", "discovery.k8s.io", "endpointslices", EndpointSlice, page_size=100)
NODES = Kind(
    "Node",
    "",
    "nodes",
    _MetadataOnly,
    page_size=500,
    convert=_node,
    metadata_only=True,
    namespaced=False,
    labelled_with_service=False,
    without="endpoints have no region, and no zone where their slice names none",
)
ALWAYS = (SERVICES, SLICES, NODES)
"""What is followed in every cluster; Pods are many, and followed where somebody wants that."""
PODS = Kind(
    "Pod",
    "",
    "pods",
    _Pod,
    page_size=200,
    convert=_pod,
    labelled_with_service=False,
    without="there are no subsets by Pod label, and a Pod is new when it is first seen to be ready",
)
