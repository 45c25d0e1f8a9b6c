"""Pods at an API server, whichever it is: what they say of themselves, and what controllers make of them."""

from datetime import datetime

import pytest

from tests.control.kube.following import PAYMENTS, following
from tests.control.kube.json_objects import endpoint, endpoint_slice, node
from tests.kube.api_server import TRIMTAB, ApiServer
from tests.kube.cluster import (
    READY_AT,
    follow_until,
    kubeconfig,
    only_endpoint,
    permit,
    running_pod,
    shop_service,
)
from tests.kube.real_api_server import controller_manager, only_real, process
from trimtab.control.kube.kinds import ALWAYS, PODS
from trimtab.control.kube.watch_source import Scope
from trimtab.model import Locality


async def test_pods_tell_their_labels_and_since_when_they_are_ready(api: ApiServer) -> None:
    await api.put(shop_service())
    uid = await running_pod(api, "payments-1", "10.1.0.1", shard="7")
    listed = endpoint("10.1.0.1", pod="payments-1")
    listed["targetRef"]["uid"] = uid
    await api.put(endpoint_slice(listed))
    scope = Scope(kinds=(*ALWAYS, PODS))
    async with following(api.url, scope, credentials=api.access()) as follower:
        await follow_until(follower, "10.1.0.1")
        port = follower.catalog.get(PAYMENTS)
        assert port is not None
        ((_, found),) = port.assignment.endpoints()
        assert (found.uid, found.label("shard")) == (uid, "7")
        assert found.ready_since == datetime.fromisoformat(READY_AT).timestamp()
        changed = {"metadata": {"labels": {"shard": "8"}}}
        await api.request("PATCH", "/api/v1/namespaces/prod/pods/payments-1", changed)
        await follower.until(lambda: only_endpoint(follower).label("shard") == "8")


async def test_without_permission_for_pods_all_else_is_served(api: ApiServer) -> None:
    await api.put(shop_service())
    await api.put(endpoint_slice("10.0.0.1"))
    await permit(api, *ALWAYS)
    scope = Scope(kinds=(*ALWAYS, PODS))
    async with following(api.url, scope, credentials=api.access(TRIMTAB)) as follower:
        await follow_until(follower, "10.0.0.1")
        assert any(PODS.rule() in problem for problem in follower.source.problems)


@only_real
@pytest.mark.skipif(controller_manager() is None, reason="KUBEBUILDER_ASSETS has no kube-controller-manager")
async def test_pods_become_endpoints_through_the_controllers(api: ApiServer) -> None:
    """With kube-controller-manager beside the others: Pods in, endpoints out."""
    command = [
        str(controller_manager()),
        f"--kubeconfig={kubeconfig(api)}",
        "--controllers=endpointslice-controller",
        "--leader-elect=false",
        "--secure-port=0",
        f"--cert-dir={api.folder}",
    ]
    item = shop_service()
    item["spec"] |= {"selector": {"app": "payments"}, "trafficDistribution": "PreferSameZone"}
    await api.put(node("n1", "zone-a", "eu"))
    await api.put(node("n2", "zone-b", "eu"))
    await api.put(item)
    with process(command, api.folder / "kcm.log"):
        await running_pod(api, "payments-1", "10.1.0.1")
        await running_pod(api, "payments-2", "10.1.0.2", on="n2")
        async with following(api.url, credentials=api.access()) as follower:
            await follow_until(follower, "10.1.0.1", "10.1.0.2")
            port = follower.catalog.get(PAYMENTS)
            assert port is not None
            zones = [Locality("eu", "zone-a"), Locality("eu", "zone-b")]
            assert [group.locality for group in port.assignment.localities] == zones
            near = follower.store.assignment(PAYMENTS, "zone-b")
            assert near is not None
            assert [(rank, one.address) for rank, one in sorted(near.endpoints(), key=lambda found: found[0])] == [
                (0, "10.1.0.2"),
                (1, "10.1.0.1"),
            ]
            await api.request("DELETE", "/api/v1/namespaces/prod/pods/payments-1", {"gracePeriodSeconds": 0})
            await follow_until(follower, "10.1.0.2")
