"""A cluster as its manifests say: Services, their Pods, and the Nodes these run on."""

import enum
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from trimtab.demo.pod import Pod as Reserved
from trimtab.demo.pod import reserved_pods

NAMESPACE = "prod"
REGION = "region-1"

__all__ = ["Kubernetes", "Pod", "Reserved", "Service", "State", "reserved_pods"]


class State(enum.Enum):
    """Where a Pod is in its life, as the conditions of its endpoint."""

    READY = (True, True, False)
    TERMINATING = (False, True, True)
    STARTING = (False, False, False)


@dataclass(frozen=True)
class Pod:
    """What the manifests say about one backend."""

    name: str
    address: str
    port: int
    zone: str = "zone-a"
    state: State = State.READY
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Service:
    """A Service with one port, and a second one for nothing where its name shall need a port."""

    name: str = "payments"
    port: int = 8080
    port_name: str = "grpc"
    policy: Mapping[str, Any] | None = None
    second_port: int | None = None
    spec: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What else its spec says."""

    @property
    def target(self) -> str:
        """What a client dials, without a scheme."""
        return f"{self.name}.{NAMESPACE}:{self.port}"


@dataclass
class Kubernetes:
    """A folder of manifests; each change is one rename, so that nobody reads half of it."""

    folder: Path
    _services: dict[str, tuple[Service, Sequence[Pod]]] = field(default_factory=dict)

    def put(self, service: Service, *pods: Pod) -> None:
        """From now on `service` is served by exactly these Pods."""
        self._services[service.name] = service, pods
        self._write()

    def delete(self, service: Service) -> None:
        """From now on there is no such service."""
        del self._services[service.name]
        self._write()

    def _write(self) -> None:
        documents: list[dict[str, Any]] = []
        for service, pods in self._services.values():
            documents += [_service(service), *_slices(service, pods), *(_pod(pod) for pod in pods if pod.labels)]
        zones = {pod.zone for _, pods in self._services.values() for pod in pods}
        draft = self.folder / "cluster.draft"
        draft.write_text(yaml.safe_dump_all([*map(_node, sorted(zones)), *documents], sort_keys=False))
        draft.replace(self.folder / "cluster.yaml")


def node_name(zone: str) -> str:
    """The one Node of a zone."""
    return f"node-{zone}"


def _node(zone: str) -> dict[str, Any]:
    labels = {"topology.kubernetes.io/region": REGION, "topology.kubernetes.io/zone": zone}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node_name(zone), "labels": labels}}


def _service(service: Service) -> dict[str, Any]:
    ports = [{"name": service.port_name, "port": service.port}]
    if service.second_port is not None:
        ports.append({"name": "admin", "port": service.second_port})
    policy = service.policy
    annotations = {} if policy is None else {"trimtab.dev/policy": yaml.safe_dump(dict(policy))}
    metadata = {"name": service.name, "namespace": NAMESPACE, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {**service.spec, "ports": ports}}


def _slices(service: Service, pods: Sequence[Pod]) -> Iterator[dict[str, Any]]:
    # A slice has one list of ports, so Pods that listen on different ports need slices of their own.
    by_port = defaultdict(list)
    for pod in pods:
        by_port[pod.port].append(pod)
    for port, members in by_port.items():
        yield {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{service.name}-{port}",
                "namespace": NAMESPACE,
                "labels": {"kubernetes.io/service-name": service.name},
            },
            "addressType": "IPv4",
            "ports": [{"name": service.port_name, "port": port}],
            "endpoints": [_endpoint(pod) for pod in members],
        }


def _pod(pod: Pod) -> dict[str, Any]:
    metadata = {"name": pod.name, "namespace": NAMESPACE, "uid": f"uid-{pod.name}", "labels": dict(pod.labels)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


def _endpoint(pod: Pod) -> dict[str, Any]:
    ready, serving, terminating = pod.state.value
    return {
        "addresses": [pod.address],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "nodeName": node_name(pod.zone),
        "zone": pod.zone,
        "targetRef": {"kind": "Pod", "namespace": NAMESPACE, "name": pod.name, "uid": f"uid-{pod.name}"},
    }
