"""The watch source against a real API server: what the pretended one does must be what this one does."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.control.kube.following import PAYMENTS, Follower, following
from tests.control.kube.json_objects import Json, endpoint_slice, node, service
from tests.kube.real_api_server import ADMIN, TRIMTAB, RealApiServer, assets, process, real_api_server
from trimtab.control.kube.kinds import NODES, SERVICES, SLICES
from trimtab.control.kube.watch_source import Scope
from trimtab.model import Locality

pytestmark = [
    pytest.mark.skipif(
        assets() is None, reason="KUBEBUILDER_ASSETS does not name a folder with etcd and kube-apiserver"
    ),
    pytest.mark.timeout(300),
]

PROD: Json = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "prod"}}


@contextlib.asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[RealApiServer]:
    """A server with a namespace to work in."""
    async with real_api_server(folder) as api:
        await api.put(PROD)
        yield api


def shop_service() -> Json:
    """A Service without a selector: its slices are made by hand. The server chooses its address."""
    item = service()
    for field in ("clusterIP", "ipFamilies"):
        del item["spec"][field]
    return item


async def follow_until(follower: Follower, *wanted: str) -> None:
    await follower.until(lambda: follower.addresses() == sorted(wanted))


async def test_what_is_there_is_served_and_changes_follow(tmp_path: Path) -> None:
    async with cluster(tmp_path) as api:
        await api.put(shop_service())
        await api.put(endpoint_slice("10.0.0.1"))
        await api.put(node("n1", "a"))
        async with following(api.url, credentials=api.access()) as follower:
            await follow_until(follower, "10.0.0.1")
            await api.put(endpoint_slice("10.0.0.1", "10.0.0.2"))
            await follow_until(follower, "10.0.0.1", "10.0.0.2")
            moved = endpoint_slice("10.0.0.2", name="payments-2")
            await api.put(moved)
            await api.put(endpoint_slice("10.0.0.1"))
            await follow_until(follower, "10.0.0.1", "10.0.0.2")
            await api.delete(moved)
            await follow_until(follower, "10.0.0.1")
            await api.delete(shop_service())
            await follower.until(lambda: follower.catalog.get(PAYMENTS) is None)
            assert ("Node", "", "n1") in follower.objects


async def test_an_event_says_on_the_service_what_is_wrong_and_is_counted_up(tmp_path: Path) -> None:
    async with cluster(tmp_path) as api:
        stored = await api.put(shop_service())
        async with (
            following(api.url, credentials=api.access()) as one,
            following(api.url, credentials=api.access()) as two,
        ):
            await one.until(lambda: ("Service", "prod", "payments") in one.objects)
            await two.until(lambda: ("Service", "prod", "payments") in two.objects)
            one.source.report({("prod", "payments"): "no such field"})
            (raised,) = await _events(api, stored, 1)
            assert (raised["type"], raised["reason"]) == ("Warning", "PolicyRejected")
            assert raised["message"] == "no such field; the last good policy stays in use"
            two.source.report({("prod", "payments"): "no such field"})
            assert len(await _events(api, stored, 2)) == 1


async def _events(api: RealApiServer, item: Json, count: int) -> list[Json]:
    """What `kubectl describe` finds, once it was raised so many times."""
    path = f"/api/v1/namespaces/prod/events?fieldSelector=involvedObject.uid={item['metadata']['uid']}"
    async with asyncio.timeout(30):
        while True:
            found: list[Json] = (await api.request("GET", path))["items"]
            if found and found[0]["count"] == count:
                return found
            await asyncio.sleep(0.05)


async def test_lists_come_in_pages(tmp_path: Path) -> None:
    """What a second look asks for, with more slices than one page has."""
    async with cluster(tmp_path) as api:
        await api.put(shop_service())
        for n in range(SLICES.page_size + 5):
            await api.put(endpoint_slice(f"10.0.{n}.1", name=f"payments-{n:03}"))
        async with following(api.url, credentials=api.access()) as follower:
            assert len(follower.addresses()) == SLICES.page_size + 5
            for feed in follower.source._feeds:
                feed.look_again()
            await follower.until(lambda: all(feed.looks > 1 for feed in follower.source._feeds))
            assert len(follower.addresses()) == SLICES.page_size + 5
            assert not follower.withdrawn


async def test_a_missing_permission_names_the_rule_and_the_rule_helps(tmp_path: Path) -> None:
    async with cluster(tmp_path) as api:
        await api.put(shop_service())
        await api.put(endpoint_slice("10.0.0.1"))
        async with following(api.url, credentials=api.access(TRIMTAB), wait=False) as follower:
            await follower.until(lambda: SLICES.rule() in follower.source.waiting_for)
            rules = [
                {"apiGroups": [kind.group], "resources": [kind.resource], "verbs": ["get", "list", "watch"]}
                for kind in (SERVICES, SLICES)
            ]
            group = "rbac.authorization.k8s.io"
            role = {"kind": "ClusterRole", "apiVersion": f"{group}/v1", "metadata": {"name": "trimtab"}, "rules": rules}
            await api.put(role)
            await api.put(
                {
                    "kind": "ClusterRoleBinding",
                    "apiVersion": f"{group}/v1",
                    "metadata": {"name": "trimtab"},
                    "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "trimtab"},
                    "subjects": [{"kind": "User", "name": "trimtab", "apiGroup": group}],
                }
            )
            # Nodes are still not permitted, and not needed.
            await follow_until(follower, "10.0.0.1")
            assert any(NODES.rule() in problem for problem in follower.source.problems)


async def test_scope_is_namespaces_and_labels(tmp_path: Path) -> None:
    async with cluster(tmp_path) as api:
        item = shop_service()
        await api.put({**item, "metadata": {**item["metadata"], "labels": {"team": "mine"}}})
        await api.put(endpoint_slice("10.0.0.1", team="mine"))
        await api.put(endpoint_slice("10.0.0.2", name="other", of="other"))
        async with following(api.url, Scope(("prod",), "team=mine"), credentials=api.access()) as follower:
            await follow_until(follower, "10.0.0.1")
            assert ("EndpointSlice", "prod", "other") not in follower.objects


async def test_how_soon_a_written_slice_is_known(tmp_path: Path) -> None:
    """Reported, not judged: run with -s."""
    async with cluster(tmp_path) as api:
        await api.put(shop_service())
        await api.put(endpoint_slice("10.0.0.1"))
        delays = []
        async with following(api.url, credentials=api.access()) as follower:
            for turn in range(50):
                began = time.monotonic()
                await api.put(endpoint_slice("10.0.0.1", f"10.0.1.{turn}"))
                await follow_until(follower, "10.0.0.1", f"10.0.1.{turn}")
                delays.append(time.monotonic() - began)
        delays.sort()
        assert len(delays) == 50
        print(f"\nslice written to catalog: p50 {delays[25] * 1e3:.1f} ms, p99 {delays[49] * 1e3:.1f} ms")  # noqa: T201


async def test_pods_become_endpoints_through_the_controllers(tmp_path: Path) -> None:
    """With kube-controller-manager beside the others: Pods in, endpoints out."""
    binary = (assets() or Path()) / "kube-controller-manager"
    if not binary.exists():
        pytest.skip("KUBEBUILDER_ASSETS has no kube-controller-manager")
    async with cluster(tmp_path) as api:
        (tmp_path / "kubeconfig").write_text(
            "{current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], "
            f"clusters: [{{name: c, cluster: {{server: '{api.url}', certificate-authority: ca.crt}}}}], "
            f"users: [{{name: u, user: {{token: {ADMIN}}}}}]}}"
        )
        command = [
            str(binary),
            f"--kubeconfig={tmp_path / 'kubeconfig'}",
            "--controllers=endpointslice-controller",
            "--leader-elect=false",
            f"--cert-dir={tmp_path / 'kcm'}",
            "--secure-port=0",
        ]
        item = shop_service()
        item["spec"]["selector"] = {"app": "payments"}
        await api.put(node("n1", "zone-a", "eu"))
        await api.put(item)
        with process(command, tmp_path / "kcm.log"):
            for n in (1, 2):
                await _running_pod(api, f"payments-{n}", f"10.1.0.{n}")
            async with following(api.url, credentials=api.access()) as follower:
                await follow_until(follower, "10.1.0.1", "10.1.0.2")
                port = follower.catalog.get(PAYMENTS)
                assert port is not None
                assert [group.locality for group in port.assignment.localities] == [Locality("eu", "zone-a")]
                await api.request("DELETE", "/api/v1/namespaces/prod/pods/payments-1", {"gracePeriodSeconds": 0})
                await follow_until(follower, "10.1.0.2")


async def _running_pod(api: RealApiServer, name: str, address: str) -> None:
    metadata = {"name": name, "namespace": "prod", "labels": {"app": "payments"}}
    containers = [{"name": "c", "image": "i", "ports": [{"containerPort": 9090}]}]
    spec = {"nodeName": "n1", "containers": containers, "automountServiceAccountToken": False}
    await api.put({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec})
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": [ready]}
    await api.request("PATCH", f"/api/v1/namespaces/prod/pods/{name}/status", {"status": status})
    await asyncio.sleep(0)
