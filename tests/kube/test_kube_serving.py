"""The control plane as it is run, from outside of a cluster and from inside of one."""

from pathlib import Path

import pytest
import yaml

from tests.cli.test_serve_cluster import serving_cluster
from tests.control.kube.following import PAYMENTS, following
from tests.control.kube.json_objects import Json, endpoint_slice, node
from tests.control.xds_client import XdsClient, addresses
from tests.deploy.kustomize import build
from tests.kube.api_server import ApiServer
from tests.kube.cluster import follow_until, kubeconfig, pod_environment, shop_service
from tests.kube.real_api_server import only_real
from trimtab.control.kube.access import AccessSource, in_cluster

KUSTOMIZE = Path("deploy/kustomize")
ROOTS = {
    "Deployment": "/apis/apps/v1",
    "NetworkPolicy": "/apis/networking.k8s.io/v1",
    "PodDisruptionBudget": "/apis/policy/v1",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1",
}


async def test_a_command_with_a_kubeconfig_serves_what_is_there(api: ApiServer) -> None:
    await api.put(shop_service())
    await api.put(endpoint_slice("10.0.0.1"))
    async with serving_cluster(kubeconfig(api)) as running, XdsClient(running.xds, str(PAYMENTS)) as client:
        assert addresses(await client.response()) == {str(PAYMENTS): ["10.0.0.1"]}
        await api.put(endpoint_slice("10.0.0.1", "10.0.0.2"))
        assert addresses(await client.response()) == {str(PAYMENTS): ["10.0.0.1", "10.0.0.2"]}


async def test_the_role_that_is_shipped_is_enough_for_a_pod(api: ApiServer) -> None:
    """A token of its service account and the authority's certificate are where a Pod finds them."""
    await api.put({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "trimtab"}})
    shipped = list(yaml.safe_load_all((KUSTOMIZE / "base/rbac.yaml").read_text()))
    account, role, binding = shipped
    await api.put({**account, "metadata": {**account["metadata"], "namespace": "trimtab"}})
    await api.put(role)
    await api.put(binding)
    request: Json = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "spec": {"expirationSeconds": 600},
    }
    made = await api.request("POST", "/api/v1/namespaces/trimtab/serviceaccounts/trimtab/token", request)
    (api.folder / "token").write_text(made["status"]["token"])
    item = shop_service()
    item["metadata"]["annotations"] = {"trimtab.dev/policy": "{strategy: [}"}
    await api.put(item)
    await api.put(endpoint_slice("10.0.0.1"))
    await api.put(node("n1", "a"))
    credentials = AccessSource(in_cluster(pod_environment(api), api.folder))
    async with following(api.url, credentials=credentials, wait=False) as follower:
        await follow_until(follower, "10.0.0.1")
        # A role takes a moment to be known; without Nodes everything else is served meanwhile.
        await follower.until(lambda: ("Node", "", "n1") in follower.objects)
        follower.source.report(follower.catalog.problems)
        raised = next(metric for metric in follower.source.metrics() if metric[0] == "trimtab_kubernetes_events_total")
        await follower.until(lambda: raised[2]() == 1)
        assert not list(follower.source.problems)


@only_real
@pytest.mark.parametrize("overlay", ["single", "ha", "mtls"])
async def test_what_is_applied_is_accepted(api: ApiServer, overlay: str) -> None:
    for item in build(KUSTOMIZE / "overlays" / overlay):
        kind = item["kind"]
        plural = f"{kind.lower()[:-1]}ies" if kind.endswith("y") else f"{kind.lower()}s"
        where = "" if kind in ("Namespace", "ClusterRole", "ClusterRoleBinding") else "/namespaces/trimtab"
        # Strict: fields that nobody knows, or that are there twice, are refused.
        await api.request("POST", f"{ROOTS.get(kind, '/api/v1')}{where}/{plural}?fieldValidation=Strict", item)
