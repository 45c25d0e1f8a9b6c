"""Kubernetes objects as JSON, the way they come over the wire."""

from typing import Any

Json = dict[str, Any]


def service(
    name: str = "payments", namespace: str = "prod", *, labels: dict[str, str] | None = None, **spec: Any
) -> Json:
    ports = [{"name": "grpc", "port": 8080, "protocol": "TCP", "targetPort": 9090}]
    metadata: Json = {"name": name, "namespace": namespace}
    if labels:
        metadata["labels"] = labels
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": metadata,
        "spec": {"ports": ports, "type": "ClusterIP", "clusterIP": "10.96.0.1", "ipFamilies": ["IPv4"], **spec},
        "status": {"loadBalancer": {}},
    }


def endpoint(address: str, *, ready: bool = True, pod: str | None = None, node: str | None = None, **more: Any) -> Json:
    conditions = {"ready": ready, "serving": ready, "terminating": False}
    found: Json = {"addresses": [address], "conditions": conditions, **more}
    if pod:
        found["targetRef"] = {"kind": "Pod", "name": pod, "namespace": "prod", "uid": f"uid-{pod}"}
    if node:
        found["nodeName"] = node
    return found


def endpoint_slice(
    *addresses: str | Json,
    name: str = "payments-1",
    of: str = "payments",
    namespace: str = "prod",
    port: int = 9090,
    **labels: str,
) -> Json:
    endpoints = [endpoint(found) if isinstance(found, str) else found for found in addresses]
    return {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": of, **labels}},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "grpc", "port": port, "protocol": "TCP"}],
    }


def pod(name: str, *, ready_at: str | None = None, namespace: str = "prod", **labels: str) -> Json:
    """A Pod as a kubelet leaves it; `ready_at` is when it became ready."""
    ready = {"type": "Ready", "status": "True" if ready_at else "False", "lastTransitionTime": ready_at}
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": labels},
        "spec": {"containers": [{"name": "c", "image": "x" * 100}]},
        "status": {"phase": "Running", "conditions": [scheduled, ready]},
    }


def node(name: str, zone: str, region: str = "eu") -> Json:
    labels = {"topology.kubernetes.io/zone": zone, "topology.kubernetes.io/region": region}
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": labels},
        "status": {"images": [{"names": ["x" * 100]}]},
    }
