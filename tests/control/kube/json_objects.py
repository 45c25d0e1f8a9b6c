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


def node(name: str, zone: str, region: str = "eu") -> Json:
    labels = {"topology.kubernetes.io/zone": zone, "topology.kubernetes.io/region": region}
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": labels},
        "status": {"images": [{"names": ["x" * 100]}]},
    }
