"""The cluster as a folder of ordinary Kubernetes manifests: what `trimtab serve --manifests` reads."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import yaml

from . import shop
from .pod import ZONES, Pod

_REGION: Final = "region-1"
_PORT_NAME: Final = "grpc"


def write_manifests(
    folder: Path, pods: Sequence[Pod], leaving: Collection[Pod] = (), policy: Mapping[str, Any] | None = None
) -> None:
    """Make `folder` say that exactly `pods` serve the shop. One rename makes the change, so nobody reads half of it."""
    draft = folder / "cluster.yaml.draft"
    draft.write_text(manifests(pods, leaving, policy))
    draft.replace(folder / "cluster.yaml")


def manifests(pods: Sequence[Pod], leaving: Collection[Pod] = (), policy: Mapping[str, Any] | None = None) -> str:
    """Nodes, the Service and its EndpointSlices, as a multi-document file.

    Those of `pods` that are `leaving` have been told to go and still serve. `policy` is the Service's annotation.
    """
    return yaml.safe_dump_all([*map(_node, ZONES), _service(policy), *_slices(pods, leaving)], sort_keys=False)


def _node(zone: str) -> dict[str, Any]:
    labels = {"topology.kubernetes.io/region": _REGION, "topology.kubernetes.io/zone": zone}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": _node_name(zone), "labels": labels}}


def _node_name(zone: str) -> str:
    return f"node-{zone}"


def _service(policy: Mapping[str, Any] | None) -> dict[str, Any]:
    annotations = {"trimtab.dev/policy": yaml.safe_dump(dict(policy))} if policy else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": shop.NAME, "namespace": shop.NAMESPACE, "annotations": annotations},
        "spec": {
            "selector": {"app": shop.NAME},
            "ports": [{"name": _PORT_NAME, "port": shop.PORT, "targetPort": _PORT_NAME, "protocol": "TCP"}],
        },
    }


def _slices(pods: Iterable[Pod], leaving: Collection[Pod]) -> list[dict[str, Any]]:
    # A slice has one list of ports for all its endpoints, so pods that listen on different ports need slices of their own.
    by_port = groupby(sorted(pods, key=attrgetter("port")), key=attrgetter("port"))
    return [_slice(number, port, list(members), leaving) for number, (port, members) in enumerate(by_port, start=1)]


def _slice(number: int, port: int, pods: Sequence[Pod], leaving: Collection[Pod]) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{shop.NAME}-{number}",
            "namespace": shop.NAMESPACE,
            "labels": {"kubernetes.io/service-name": shop.NAME},
        },
        "addressType": "IPv4",
        "ports": [{"name": _PORT_NAME, "port": port, "protocol": "TCP"}],
        "endpoints": [_endpoint(pod, leaving=pod in leaving) for pod in pods],
    }


def _endpoint(pod: Pod, *, leaving: bool) -> dict[str, Any]:
    return {
        "addresses": [pod.address],
        "conditions": {"ready": not leaving, "serving": True, "terminating": leaving},
        "nodeName": _node_name(pod.zone),
        "zone": pod.zone,
        "targetRef": {"kind": "Pod", "namespace": shop.NAMESPACE, "name": pod.name, "uid": f"uid-{pod.name}"},
    }
