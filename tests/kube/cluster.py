"""What tests do in a cluster."""

import json
from pathlib import Path

from tests.control.kube.following import PAYMENTS, Follower
from tests.control.kube.json_objects import Json, service
from tests.kube.api_server import ADMIN, ApiServer
from trimtab.control.kube.kinds import Kind
from trimtab.model import Endpoint

READY_AT = "2026-01-01T00:00:00Z"
RBAC = "rbac.authorization.k8s.io"


def shop_service() -> Json:
    """A Service without a selector: its slices are made by hand. The server chooses its address."""
    item = service()
    for field in ("clusterIP", "ipFamilies"):
        del item["spec"][field]
    return item


async def follow_until(follower: Follower, *wanted: str) -> None:
    await follower.until(lambda: follower.addresses() == sorted(wanted))


def kubeconfig(api: ApiServer) -> Path:
    """One that makes whoever uses it the administrator."""
    cluster = {"server": api.url, "certificate-authority": str(api.folder / "ca.crt")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": ADMIN}}],
    }
    path = api.folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def pod_environment(api: ApiServer) -> dict[str, str]:
    """What a Pod finds the API server by."""
    host, _, port = api.url.removeprefix("https://").partition(":")
    return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}


async def permit(api: ApiServer, *kinds: Kind) -> None:
    """Let TRIMTAB follow these kinds."""
    rules = [
        {"apiGroups": [kind.group], "resources": [kind.resource], "verbs": ["get", "list", "watch"]} for kind in kinds
    ]
    role = {"kind": "ClusterRole", "apiVersion": f"{RBAC}/v1", "metadata": {"name": "trimtab"}, "rules": rules}
    await api.put(role)
    await api.put(
        {
            "kind": "ClusterRoleBinding",
            "apiVersion": f"{RBAC}/v1",
            "metadata": {"name": "trimtab"},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "trimtab"},
            "subjects": [{"kind": "User", "name": "trimtab", "apiGroup": RBAC}],
        }
    )


async def running_pod(api: ApiServer, name: str, address: str, *, on: str = "n1", **labels: str) -> str:
    """A Pod as a kubelet leaves it, without one; its uid."""
    metadata = {"name": name, "namespace": "prod", "labels": {"app": "payments", **labels}}
    containers = [{"name": "c", "image": "i", "ports": [{"containerPort": 9090}]}]
    spec = {"nodeName": on, "containers": containers, "automountServiceAccountToken": False}
    made = await api.put({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec})
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": READY_AT}
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": [ready]}
    await api.request("PATCH", f"/api/v1/namespaces/prod/pods/{name}/status", {"status": status})
    return str(made["metadata"]["uid"])


def only_endpoint(follower: Follower) -> Endpoint:
    port = follower.catalog.get(PAYMENTS)
    assert port is not None
    ((_, found),) = port.assignment.endpoints()
    return found
