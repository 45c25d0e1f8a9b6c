"""`examples/envoy_ingress`, run as its README says: Envoy as ingress and as API proxy."""

from contextlib import AsyncExitStack
from pathlib import Path

from tests.e2e.client import STOCK_GRPC, client, only
from tests.e2e.control_plane import ControlPlane
from tests.e2e.envoy import Envoy, envoy, needs_envoy
from tests.e2e.kubernetes import Kubernetes, Pod, Service
from tests.e2e.pods import grpc_pod, http_pod
from tests.e2e.process import ROOT

LISTENERS = ROOT / "examples" / "envoy_ingress" / "listeners.yaml"
WEB, API = Service("web", 80, "http"), Service("api", 80, "http")
PAYMENTS, ORDERS = Service("payments"), Service("orders")


@needs_envoy
async def test_http_and_grpc_routes_lead_to_their_services(
    kubernetes: Kubernetes, serving: ControlPlane, reserved: list[Pod], tmp_path: Path
) -> None:
    web, api, payments, newer_payments, orders, newer_web = reserved
    async with AsyncExitStack() as stack:
        for pod in (web, api, newer_web):
            await stack.enter_async_context(http_pod(pod))
        for pod in (payments, newer_payments, orders):
            await stack.enter_async_context(grpc_pod(pod))
        for service, pod in ((WEB, web), (API, api), (PAYMENTS, payments), (ORDERS, orders)):
            kubernetes.put(service, pod)
        proxy = await stack.enter_async_context(
            envoy(
                tmp_path,
                await serving.bootstrap("envoy", "--admin", "127.0.0.1:0"),
                *(
                    "--config-yaml",
                    LISTENERS.read_text().replace("0.0.0.0, port_value: 8000", "127.0.0.1, port_value: 0"),
                ),
            )
        )
        caller = await stack.enter_async_context(client(STOCK_GRPC))
        listener = await proxy.listener("ingress")

        await _until_answered(proxy, "shop.example", "/", web.name)
        await _until_answered(proxy, "shop.example", "/api/orders", api.name)
        assert (await proxy.get("shop.example", "/apis", "ingress"))[1] == web.name
        await caller.until(only(payments.name), listener, authority="apis.example")
        assert (await proxy.get("apis.example", "/echo.Echo/Who", "ingress"))[0] == 404
        assert (await proxy.get("elsewhere.example", "/", "ingress"))[0] == 404

        kubernetes.put(PAYMENTS, newer_payments)
        kubernetes.put(WEB, newer_web)
        await caller.until(only(newer_payments.name), listener, authority="apis.example")
        await _until_answered(proxy, "shop.example", "/", newer_web.name)
        assert not any((await proxy.stats("update_rejected$")).values())
        assert await serving.rejects() == 0


async def _until_answered(proxy: Envoy, host: str, path: str, name: str) -> None:
    while await proxy.get(host, path, "ingress") != (200, name):
        pass
