"""Two control planes of one cluster: both have followed all of its history, or one has just been started."""

import asyncio
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc.aio

from tests.cli.serving import Serving
from tests.cli.test_serve_cluster import kubeconfig, serving_cluster
from tests.control.kube.cluster_model import Deployment
from tests.control.kube.fake_api_server import FakeApiServer, fake_api_server
from tests.control.kube.json_objects import Json, endpoint_slice, node, pod, service
from tests.control.xds_client import PATIENCE_S, XdsClient, addresses
from tests.xds.envoy_messages import discovery_pb2
from trimtab.control.kubernetes import TRIGGERED_ANNOTATION
from trimtab.model import Locality
from trimtab.xds.discovery import ClientNode, DiscoveryRequest
from trimtab.xds.resource_type import (
    ADS_SERVICE,
    CLUSTERS,
    ENDPOINTS,
    PUSH_ORDER,
    STREAM_AGGREGATED_RESOURCES,
)

Resources = dict[tuple[str, str], bytes]
"""By type and name."""

CLIENTS = [
    ClientNode("one", user_agent="gRPC C-core linux", locality=Locality(zone="a")),
    ClientNode("two", user_agent="envoy", locality=Locality(zone="b")),
    ClientNode("three", user_agent="trimtab-python"),
]
LONG_AGO = "2026-01-01T00:00:00Z"
POLICIES = ("strategy: round_robin", "slow_start_s: 30", "strategi: x", None)


def annotated(name: str, policy: str | None) -> Json:
    item = service(name)
    item["metadata"]["annotations"] = {} if policy is None else {"trimtab.dev/policy": policy}
    return item


def zoned(item: Json) -> Json:
    """A slice as its controller writes it: each endpoint says where it runs."""
    return {**item, "endpoints": [found | _place(found["addresses"][0]) for found in item["endpoints"]]}


def _place(address: str) -> Json:
    return {"zone": "abc"[int(address.split(".")[2]) % 3], "nodeName": "node-1"}


def happen(api: FakeApiServer, deployments: list[Deployment], steps: int, rng: random.Random) -> None:
    """Pods come and go, move between slices and fall ill; services are deleted and made again, and change their policies."""
    for _ in range(steps):
        chosen = rng.choice(deployments)
        match rng.randrange(12):
            case 0:
                api.put(annotated(chosen.name, rng.choice(POLICIES[:2])))
            case 1:
                api.delete("services", "prod", chosen.name)
                api.put(annotated(chosen.name, None))
            case _:
                api.put(*map(zoned, chosen.step()))


def triggered(item: Json) -> Json:
    """A slice with the time of the change that it tells of, as its controller notes it."""
    annotations = {TRIGGERED_ANNOTATION: datetime.now(UTC).isoformat()}
    return {**item, "metadata": {**item["metadata"], "annotations": annotations}}


async def resources(server: str, who: ClientNode) -> Resources:
    """Everything there is, as this client gets it."""
    found: Resources = {}
    names: tuple[str, ...] = ()
    async with grpc.aio.insecure_channel(server) as channel:
        call: Any = channel.stream_stream(f"/{ADS_SERVICE}/{STREAM_AGGREGATED_RESOURCES}")()
        # Clusters first: without names they are all that there are.
        for type_url in PUSH_ORDER:
            await call.write(DiscoveryRequest(type_url, names, node=who).serialize())
            response = discovery_pb2.DiscoveryResponse.FromString(await call.read())
            assert response.type_url == type_url
            for resource in response.resources:
                found[type_url, _name(resource.value)] = resource.value
            if type_url == CLUSTERS:
                names = tuple(sorted(name for _, name in found))
        call.cancel()
    return found


def _name(body: bytes) -> str:
    """A resource's name; it is the first field of each of the three types, and shorter than 128 bytes."""
    assert body[0] == 0x0A
    return body[2 : 2 + body[1]].decode()


async def caught_up(running: Serving, address: str = "10.9.9.9") -> None:
    """Return once it serves what was put last."""
    async with XdsClient(running.xds, "last.prod:8080") as client:
        while addresses(await client.response()) != {"last.prod:8080": [address]}:
            pass


async def test_whatever_they_lived_through_they_send_the_same_bytes(tmp_path: Path) -> None:
    rng = random.Random(20261125)
    deployments = [Deployment(f"s{number}", number * 100, rng) for number in range(6)]
    pods = [pod(f"p{number}", ready_at=LONG_AGO, shard=str(number % 2)) for number in range(600)]
    start = [item for one in deployments for item in (annotated(one.name, None), *map(zoned, one.slices()))]
    arguments = ("--watch-pods", "--census-warm-up", "3600", "--withdrawal-share", "1")
    async with fake_api_server(node("node-1", "a"), *pods, *start) as api:
        config = kubeconfig(tmp_path, api.url)
        async with serving_cluster(config, *arguments) as old:
            happen(api, deployments, 300, rng)
            api.put(service("last"), endpoint_slice("10.9.9.9", name="last-1", of="last"))
            await caught_up(old)
            async with serving_cluster(config, *arguments) as new:
                await caught_up(new)
                for who in CLIENTS:
                    mine, theirs = await resources(old.xds, who), await resources(new.xds, who)
                    # A listener in gRPC's sense is nothing that Envoy could take.
                    types = {CLUSTERS, ENDPOINTS} if who.user_agent == "envoy" else set(PUSH_ORDER)
                    assert {type_url for type_url, _ in mine} == types
                    assert len(mine) == len(types) * (len(deployments) + 1)
                    assert mine == theirs


async def test_without_pods_too_they_date_what_both_saw_become_ready_by_its_slice(tmp_path: Path) -> None:
    rng = random.Random(20261127)
    deployments = [Deployment(f"s{number}", number * 100, rng) for number in range(3)]
    start = [item for one in deployments for item in (service(one.name), *map(zoned, one.slices()))]
    arguments = ("--census-warm-up", "3600", "--withdrawal-share", "1")
    async with fake_api_server(node("node-1", "a"), service("last"), *start) as api:
        config = kubeconfig(tmp_path, api.url)
        async with serving_cluster(config, *arguments) as first, serving_cluster(config, *arguments) as second:
            # One at a time: a replica that skips what it had no time for has not seen the same.
            for turn in range(20):
                api.put(*(triggered(zoned(item)) for item in rng.choice(deployments).step()))
                address = f"10.9.9.{turn}"
                api.put(triggered(endpoint_slice(address, name="last-1", of="last")))
                for replica in (first, second):
                    await caught_up(replica, address)
            mine, theirs = await resources(first.xds, CLIENTS[2]), await resources(second.xds, CLIENTS[2])
            assert any(b"ready_since" in body for body in mine.values())
            assert mine == theirs


def replica(number: int, running: Serving) -> Json:
    """One of the endpoints by which replicas find each other."""
    return endpoint_slice("127.0.0.1", name=f"trimtab-{number}", of="trimtab", port=int(running.xds.rpartition(":")[2]))


async def same(one: Serving, two: Serving) -> bool:
    """Whether every client gets the same bytes from both, dates among them, which here no Pod says."""
    for who in CLIENTS:
        mine, theirs = await resources(one.xds, who), await resources(two.xds, who)
        assert any(b"ready_since" in body for body in mine.values())
        if mine != theirs:
            return False
    return True


async def until_same(one: Serving, two: Serving) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await same(one, two):  # noqa: ASYNC110 - they tell each other in their own time
            await asyncio.sleep(0.05)


async def test_without_pods_too_replicas_that_know_each_other_send_the_same_bytes_whenever_they_started(
    tmp_path: Path,
) -> None:
    rng = random.Random(20261128)
    deployments = [Deployment(f"s{number}", number * 100, rng) for number in range(6)]
    start = [item for one in deployments for item in (service(one.name), *map(zoned, one.slices()))]
    last, arguments = (
        iter(f"10.9.9.{number}" for number in range(250)),
        ("--peer-service", "trimtab.prod:8080", "--census-warm-up", "3600", "--withdrawal-share", "1"),
    )
    async with fake_api_server(node("node-1", "a"), service("last"), service("trimtab"), *start) as api:
        config = kubeconfig(tmp_path, api.url)

        async def live_through(steps: int, *running: Serving) -> None:
            for _ in range(steps // 10):
                happen(api, deployments, 10, rng)
                address = next(last)
                api.put(endpoint_slice(address, name="last-1", of="last"))
                await caught_up(rng.choice(running), address)
            for each in running:
                await caught_up(each, address)

        async with serving_cluster(config, *arguments) as old:
            api.put(replica(1, old))
            await live_through(200, old)
            async with serving_cluster(config, *arguments) as new:
                await until_same(old, new)
                api.put(replica(2, new))
                # Some changes one of them skips, or sees later.
                await live_through(200, old, new)
                await until_same(old, new)
                old.stop()
                # Whoever comes now has never met the first.
                async with serving_cluster(config, *arguments) as third:
                    api.put(replica(3, third))
                    await until_same(new, third)
