"""Stock grpcio through `xds:///`, with a bootstrap that `trimtab bootstrap grpc` printed and no code of ours."""

from dataclasses import replace

from tests.client.eventually import eventually_async
from tests.e2e.client import STOCK_GRPC, client, only
from tests.e2e.control_plane import ControlPlane
from tests.e2e.kubernetes import Kubernetes, Pod, Service, State
from tests.e2e.pods import FailingPod, HoldingPod, grpc_pod, running

PAYMENTS = Service()
TARGET = f"xds:///{PAYMENTS.target}"
DATA_ERRORS = "GRPC_EXPERIMENTAL_XDS_DATA_ERROR_HANDLING"
"""What gRFC A88 is behind until gRPC takes it for granted."""


async def test_calls_flow_and_topology_is_followed(
    kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod]
) -> None:
    kubernetes.put(PAYMENTS, *pods[:2])
    async with client(STOCK_GRPC, await serving.bootstrap("grpc")) as caller:
        await caller.until(only("pod-1", "pod-2"), TARGET)
        kubernetes.put(PAYMENTS, *pods[1:3])
        await caller.until(only("pod-2", "pod-3"), TARGET)
    assert await serving.rejects() == 0


async def test_every_form_of_the_name_means_the_service(
    kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod]
) -> None:
    kubernetes.put(PAYMENTS, *pods[:1])
    forms = (
        "payments.prod:8080",
        "payments.prod:grpc",
        "payments.prod.svc.cluster.local:8080",
        "payments.prod.svc:grpc",
        "payments.prod",
        "payments:8080",
        "payments",
    )
    async with client(STOCK_GRPC, await serving.bootstrap("grpc", "--namespace", "prod")) as caller:
        for form in forms:
            await caller.until(only("pod-1"), f"xds:///{form}", count=1)
    assert await serving.rejects() == 0


async def test_pods_that_terminate_or_start_get_no_calls(
    kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod]
) -> None:
    terminating, starting = replace(pods[1], state=State.TERMINATING), replace(pods[2], state=State.STARTING)
    kubernetes.put(PAYMENTS, pods[0], terminating, starting)
    async with client(STOCK_GRPC, await serving.bootstrap("grpc")) as caller:
        await caller.until(only("pod-1"), TARGET, count=1)
        assert (await caller.call(TARGET, 50)).answers == {"pod-1": 50}


async def test_a_service_without_endpoints_fails_at_once_and_comes_back(
    kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod]
) -> None:
    kubernetes.put(PAYMENTS, replace(pods[0], state=State.STARTING))
    async with client(STOCK_GRPC, await serving.bootstrap("grpc"), **{DATA_ERRORS: "true"}) as caller:
        empty = await caller.until(lambda tally: "no localities" in str(tally.errors), TARGET, count=1)
        assert empty.slowest_s < 10
        kubernetes.put(PAYMENTS, pods[0])
        await caller.until(only("pod-1"), TARGET, count=1)


async def test_an_unknown_name_fails_at_once_says_why_and_springs_to_life(
    kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod]
) -> None:
    async with client(STOCK_GRPC, await serving.bootstrap("grpc"), **{DATA_ERRORS: "true"}) as caller:
        unknown = await caller.call(TARGET)
        (error,) = unknown.errors
        assert "there is no service in namespace prod" in error
        # Without resource_errors it would have been 15 seconds.
        assert unknown.slowest_s < 10
        kubernetes.put(PAYMENTS, *pods[:1])
        await caller.until(only("pod-1"), TARGET, count=1)


async def test_the_control_plane_may_vanish_and_come_back(
    kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod]
) -> None:
    kubernetes.put(PAYMENTS, *pods[:2])
    async with client(STOCK_GRPC, await serving.bootstrap("grpc")) as caller:
        await caller.until(only("pod-1", "pod-2"), TARGET)
        await serving.kill()
        assert set((await caller.call(TARGET, 200)).answers) == {"pod-1", "pod-2"}
        kubernetes.put(PAYMENTS, *pods[1:3])
        await caller.begin(TARGET)
        await serving.start()
        await caller.until(only("pod-2", "pod-3"), TARGET)
        assert not (await caller.end(TARGET)).errors
    assert await serving.rejects() == 0


async def test_a_pod_whose_calls_fail_is_ejected(
    kubernetes: Kubernetes, serving: ControlPlane, reserved: list[Pod]
) -> None:
    detection = {
        "interval_s": 1,
        "base_ejection_time_s": 300,
        "max_ejection_percent": 50,
        "failure_percentage_minimum_hosts": 3,
        "failure_percentage_request_volume": 1,
    }
    # In one zone, where calls go round robin: no batch misses the Pod by chance.
    good, better, bad = (replace(pod, zone="zone-a") for pod in reserved[:3])
    kubernetes.put(Service(policy={"outlier_detection": detection}), good, better, bad)
    bootstrap = await serving.bootstrap("grpc")
    async with (
        grpc_pod(good),
        grpc_pod(better),
        running(FailingPod(bad)),
        client(STOCK_GRPC, bootstrap) as caller,
    ):
        await caller.until(lambda tally: "pod-3 is out of order" in str(tally.errors), TARGET)
        await caller.until(only("pod-1", "pod-2"), TARGET)
        assert not (await caller.call(TARGET, 300)).errors
    assert await serving.rejects() == 0


async def test_one_call_more_than_the_policy_allows_at_once_is_refused(
    kubernetes: Kubernetes, serving: ControlPlane, reserved: list[Pod]
) -> None:
    kubernetes.put(Service(policy={"max_requests": 2}), reserved[0])
    bootstrap = await serving.bootstrap("grpc")
    async with running(HoldingPod(reserved[0])) as pod, client(STOCK_GRPC, bootstrap) as caller:
        await caller.begin(TARGET, parallel=2)
        await eventually_async(lambda: pod.held == 2)
        (error,) = (await caller.call(TARGET)).errors
        assert error == "UNAVAILABLE: circuit breaker drop"
        assert pod.held == 2
        pod.release.set()
        await caller.reach(TARGET, 3, "pod-1")
        await caller.end(TARGET)
    assert await serving.rejects() == 0
