"""Parts of a service, chosen by a label in the target, for clients with and without our library."""

from dataclasses import replace

import pytest

from tests.e2e.client import LIBRARY, NODE, STOCK_GRPC, client, needs_node, only
from tests.e2e.control_plane import ControlPlane
from tests.e2e.kubernetes import Kubernetes, Pod, Service

PAYMENTS = Service()
DIVIDED = replace(PAYMENTS, policy={"shards": {"metadata": "x-shard"}})
SEVEN, EIGHT = (f"xds:///{PAYMENTS.target}/shard={number}" for number in (7, 8))


def shards(pods: list[Pod], *numbers: str) -> list[Pod]:
    return [replace(pod, labels={"shard": number}) for pod, number in zip(pods, numbers, strict=False)]


@pytest.mark.parametrize(
    "kind",
    [STOCK_GRPC, LIBRARY, pytest.param(NODE, marks=needs_node)],
    ids=["stock gRPC", "library", "Node.js"],
)
async def test_calls_go_to_the_pods_with_the_label_and_follow_it(
    kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod], kind: tuple[str, ...]
) -> None:
    kubernetes.put(PAYMENTS, *shards(pods, "7", "7", "8"))
    async with client(kind, await serving.bootstrap("grpc")) as caller:
        await caller.until(only("pod-1", "pod-2"), SEVEN)
        await caller.until(only("pod-3"), EIGHT)
        await caller.until(only("pod-1", "pod-2", "pod-3"), f"xds:///{PAYMENTS.target}", 100)
        kubernetes.put(PAYMENTS, *shards(pods, "8", "7", "8"))
        await caller.until(only("pod-2"), SEVEN)
        await caller.until(only("pod-1", "pod-3"), EIGHT)
    assert await serving.rejects() == 0


@pytest.mark.parametrize("kind", [STOCK_GRPC, LIBRARY], ids=["stock gRPC", "library"])
async def test_a_shard_without_pods_fails_at_once_and_springs_to_life(
    kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod], kind: tuple[str, ...]
) -> None:
    kubernetes.put(PAYMENTS, *shards(pods, "7", "7"))
    async with client(kind, await serving.bootstrap("grpc")) as caller:
        empty = await caller.call(EIGHT)
        assert not empty.answers
        assert empty.slowest_s < 10
        kubernetes.put(PAYMENTS, *shards(pods, "7", "8"))
        await caller.until(only("pod-2"), EIGHT)
    assert await serving.rejects() == 0


async def test_each_call_names_its_shard_and_the_policy_says_what_if_nobody_has_it(
    kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod]
) -> None:
    kubernetes.put(DIVIDED, *shards(pods, "7", "7", "8"))
    whole = f"xds:///{PAYMENTS.target}"
    async with client(LIBRARY, await serving.bootstrap("grpc")) as caller:
        await caller.until(only("pod-1", "pod-2"), whole, metadata=[("x-shard", "7")])
        await caller.until(only("pod-3"), whole, metadata=[("x-shard", "8")])
        await caller.until(only("pod-1", "pod-2", "pod-3"), whole, 100)
        nowhere = await caller.call(whole, metadata=[("x-shard", "9")])
        assert not nowhere.answers
        assert "no endpoint has the label shard=9; there are shard=7, 8" in next(iter(nowhere.errors))
        kubernetes.put(
            replace(PAYMENTS, policy={"shards": {"metadata": "x-shard", "unmatched": "any"}}), *shards(pods, "7", "8")
        )
        await caller.until(only("pod-1", "pod-2"), whole, metadata=[("x-shard", "9")])
    assert await serving.rejects() == 0


@pytest.mark.parametrize("kind", [STOCK_GRPC, LIBRARY], ids=["stock gRPC", "library"])
async def test_a_name_with_a_shard_that_nobody_has_may_mean_everybody(
    kubernetes: Kubernetes, serving: ControlPlane, pods: list[Pod], kind: tuple[str, ...]
) -> None:
    kubernetes.put(replace(PAYMENTS, policy={"shards": {"unmatched": "any"}}), *shards(pods, "7", "7"))
    async with client(kind, await serving.bootstrap("grpc")) as caller:
        await caller.until(only("pod-1", "pod-2"), EIGHT)
        kubernetes.put(replace(PAYMENTS, policy={"shards": {"unmatched": "any"}}), *shards(pods, "7", "8"))
        await caller.until(only("pod-2"), EIGHT)
    assert await serving.rejects() == 0
