"""A real Envoy with a bootstrap that `trimtab bootstrap envoy` printed: clusters and endpoints over delta ADS."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.client import STOCK_GRPC, client, only
from tests.e2e.control_plane import ControlPlane
from tests.e2e.envoy import Envoy, envoy, needs_envoy
from tests.e2e.kubernetes import Kubernetes, Pod, Service
from tests.e2e.pods import grpc_pod, http_pod

pytestmark = needs_envoy

PAYMENTS = Service("payments", 8080, "grpc")
WEB = Service("web", 80, "http")
POLICY = {
    "connect_timeout_s": 1.5,
    "slow_start_s": 30.0,
    "slow_start_aggression": 2.0,
    "max_requests": 77,
    "outlier_detection": {"interval_s": 3.0, "consecutive_5xx": 4, "max_ejection_percent": 50},
}


@asynccontextmanager
async def started(control: ControlPlane, folder: Path, *more: str) -> AsyncIterator[Envoy]:
    """An Envoy that listens wherever it may."""
    printed = await control.bootstrap("envoy", "--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0", *more)
    async with envoy(folder, printed) as running:
        yield running


@pytest.fixture
async def two_services(kubernetes: Kubernetes, reserved: list[Pod]) -> AsyncIterator[list[Pod]]:
    """Pods 1 to 3 serve gRPC, 4 to 6 HTTP/1.1; of each the first two are in the manifests."""
    async with AsyncExitStack() as stack:
        for pod in reserved[:3]:
            await stack.enter_async_context(grpc_pod(pod))
        for pod in reserved[3:]:
            await stack.enter_async_context(http_pod(pod))
        kubernetes.put(PAYMENTS, *reserved[:2])
        kubernetes.put(WEB, *reserved[3:5])
        yield reserved


async def test_grpc_and_http_traffic_follow_the_topology_without_a_nack(
    kubernetes: Kubernetes, two_services: list[Pod], serving: ControlPlane, tmp_path: Path
) -> None:
    pods = two_services
    async with started(serving, tmp_path) as proxy, client(STOCK_GRPC) as caller:
        listener = await proxy.listener()
        await caller.until(only("pod-1", "pod-2"), listener, authority=PAYMENTS.target)
        await _until_served_by(proxy, WEB, "pod-4", "pod-5")
        kubernetes.put(PAYMENTS, *pods[1:3])
        kubernetes.put(WEB, *pods[4:6])
        await caller.until(only("pod-2", "pod-3"), listener, authority=PAYMENTS.target)
        await _until_served_by(proxy, WEB, "pod-5", "pod-6")
        await _assert_nothing_refused(proxy, serving)


async def test_services_come_and_go(
    kubernetes: Kubernetes, two_services: list[Pod], serving: ControlPlane, tmp_path: Path
) -> None:
    async with started(serving, tmp_path) as proxy:
        later = Service("later", 80, "http")
        assert (await proxy.get(later.target))[0] == 503
        kubernetes.put(later, two_services[5])
        await _until_served_by(proxy, later, "pod-6")
        kubernetes.delete(later)
        await proxy.until_hosts(later.target)
        assert (await proxy.get(later.target))[0] == 503
        await _assert_nothing_refused(proxy, serving)


async def test_a_restart_of_the_control_plane_goes_unnoticed(
    kubernetes: Kubernetes, two_services: list[Pod], serving: ControlPlane, tmp_path: Path
) -> None:
    pods = two_services
    async with started(serving, tmp_path) as proxy, client(STOCK_GRPC) as caller:
        listener = await proxy.listener()
        await caller.until(only("pod-1", "pod-2"), listener, authority=PAYMENTS.target)
        await caller.begin(listener, authority=PAYMENTS.target)
        before = await proxy.stats("cluster_manager.cluster_(added|modified|removed)")
        await serving.stop()
        await serving.start()
        # What was seen before the restart is not sent again; what changes after it arrives.
        kubernetes.put(PAYMENTS, *pods[1:3])
        await caller.until(only("pod-2", "pod-3"), listener, authority=PAYMENTS.target)
        assert not (await caller.end(listener)).errors
        assert await proxy.stats("cluster_manager.cluster_(added|modified|removed)") == before
        await _assert_nothing_refused(proxy, serving)


async def test_the_policy_arrives_in_what_envoy_is_configured_with(
    kubernetes: Kubernetes, serving: ControlPlane, reserved: list[Pod], tmp_path: Path
) -> None:
    kubernetes.put(Service("payments", 8080, "grpc", POLICY), *reserved[:2])
    async with started(serving, tmp_path) as proxy:
        await proxy.until_hosts(PAYMENTS.target, *(f"{pod.address}:{pod.port}" for pod in reserved[:2]))
        cluster = await proxy.cluster(PAYMENTS.target)
        assert cluster["connect_timeout"] == "1.500s"
        assert cluster["circuit_breakers"]["thresholds"] == [{"max_requests": 77}]
        outliers = cluster["outlier_detection"]
        assert (outliers["interval"], outliers["consecutive_5xx"], outliers["max_ejection_percent"]) == ("3s", 4, 50)
        ours, least_request = (
            policy["typed_extension_config"]["typed_config"] for policy in cluster["load_balancing_policy"]["policies"]
        )
        assert ours["value"]["slow_start_s"] == 30
        assert least_request["@type"].endswith("LeastRequest")
        slow_start = least_request["slow_start_config"]
        assert (slow_start["slow_start_window"], slow_start["aggression"]["default_value"]) == ("30s", 2)
        assert slow_start["min_weight_percent"] == {"value": 10}
        assert least_request["locality_lb_config"] == {"locality_weighted_lb_config": {}}
        await _assert_nothing_refused(proxy, serving)


async def test_on_demand_it_knows_the_services_that_requests_name_by_any_name(
    kubernetes: Kubernetes, two_services: list[Pod], serving: ControlPlane, tmp_path: Path
) -> None:
    async with started(serving, tmp_path, "--on-demand", "--namespace", "prod") as proxy:
        assert await proxy.hosts(WEB.target) == {}
        for name in ("web.prod:80", "web.prod", "web"):
            assert (await proxy.get(name))[0] == 200
        assert (await proxy.get("later.prod"))[0] == 503
        kubernetes.put(Service("later", 80, "http"), two_services[5])
        while (await proxy.get("later.prod"))[0] != 200:
            pass
        # Nobody named the other service.
        assert await proxy.hosts(PAYMENTS.target) == {}
        await _assert_nothing_refused(proxy, serving)


async def test_asked_for_listeners_too_it_is_sent_none_and_refuses_nothing(
    kubernetes: Kubernetes, two_services: list[Pod], serving: ControlPlane, tmp_path: Path
) -> None:
    bootstrap = json.loads(await serving.bootstrap("envoy", "--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0"))
    bootstrap["dynamic_resources"]["lds_config"] = bootstrap["dynamic_resources"]["cds_config"]
    async with envoy(tmp_path, json.dumps(bootstrap)) as proxy:
        # It is ready, so the listeners were answered; those that there are lead where they did.
        await _until_served_by(proxy, WEB, "pod-4", "pod-5")
        assert (await proxy.stats("listener_manager.lds.update_success"))["listener_manager.lds.update_success"]
        kubernetes.put(Service("later", 80, "http"), two_services[5])
        await _until_served_by(proxy, Service("later", 80, "http"), "pod-6")
        await _assert_nothing_refused(proxy, serving)
    # An Envoy takes no API listener but the one in its bootstrap, and says so of each.
    assert "ApiListener" not in (tmp_path / "envoy.log").read_text()


async def test_a_cluster_of_its_own_may_be_one_shard_of_a_service(
    kubernetes: Kubernetes, two_services: list[Pod], serving: ControlPlane, tmp_path: Path
) -> None:
    shards = [replace(pod, labels={"shard": number}) for pod, number in zip(two_services[3:], "778", strict=True)]
    kubernetes.put(WEB, *shards)
    bootstrap = json.loads(await serving.bootstrap("envoy", "--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0"))
    for number in "78":
        name = f"{WEB.target}/shard={number}"
        eds: dict[str, Any] = {"service_name": name, "eds_config": bootstrap["dynamic_resources"]["cds_config"]}
        bootstrap["static_resources"]["clusters"].append({"name": name, "type": "EDS", "eds_cluster_config": eds})
    (listener,) = bootstrap["static_resources"]["listeners"]
    (route,) = _routes(listener)
    route["route"] |= {"cluster_header": "x-cluster"}
    async with envoy(tmp_path, json.dumps(bootstrap)) as proxy:
        await _until_headed_to(proxy, f"{WEB.target}/shard=7", "pod-4", "pod-5")
        await _until_headed_to(proxy, f"{WEB.target}/shard=8", "pod-6")
        await _until_headed_to(proxy, WEB.target, "pod-4", "pod-5", "pod-6")
        kubernetes.put(WEB, shards[0], *(replace(pod, labels={"shard": "8"}) for pod in shards[1:]))
        await _until_headed_to(proxy, f"{WEB.target}/shard=7", "pod-4")
        await _until_headed_to(proxy, f"{WEB.target}/shard=8", "pod-5", "pod-6")
        await _assert_nothing_refused(proxy, serving)


async def test_on_demand_a_header_may_name_a_shard(
    kubernetes: Kubernetes, two_services: list[Pod], serving: ControlPlane, tmp_path: Path
) -> None:
    kubernetes.put(WEB, *(replace(pod, labels={"shard": n}) for pod, n in zip(two_services[3:], "778", strict=True)))
    printed = await serving.bootstrap("envoy", "--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--on-demand")
    bootstrap = json.loads(printed)
    (listener,) = bootstrap["static_resources"]["listeners"]
    (route,) = _routes(listener)
    route["route"] |= {"cluster_header": "x-cluster"}
    async with envoy(tmp_path, json.dumps(bootstrap)) as proxy:
        await _until_headed_to(proxy, f"{WEB.target}/shard=7", "pod-4", "pod-5")
        await _until_headed_to(proxy, f"{WEB.target}/shard=8", "pod-6")
        await _assert_nothing_refused(proxy, serving)


def _routes(listener: dict[str, Any]) -> list[dict[str, Any]]:
    (manager,) = listener["filter_chains"][0]["filters"]
    routes: list[dict[str, Any]] = manager["typed_config"]["route_config"]["virtual_hosts"][0]["routes"]
    return routes


async def _until_headed_to(proxy: Envoy, cluster: str, *names: str) -> None:
    answered: set[str] = set()
    while answered != set(names):
        answers = [await proxy.get("any.example", headers={"x-cluster": cluster}) for _ in range(20)]
        answered = {text for status, text in answers if status == 200}


async def _until_served_by(proxy: Envoy, service: Service, *names: str) -> None:
    answered: set[str] = set()
    while answered != set(names):
        answers = [await proxy.get(service.target) for _ in range(20)]
        answered = {text for status, text in answers if status == 200}


async def _assert_nothing_refused(proxy: Envoy, serving: ControlPlane) -> None:
    refused = {name: value for name, value in (await proxy.stats("update_rejected$")).items() if value}
    assert not refused
    assert await proxy.stats("update_success$")
    assert await serving.rejects() == 0
