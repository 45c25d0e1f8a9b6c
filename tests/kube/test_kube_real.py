"""The watch source against a real API server: what the pretended one does must be what this one does."""

from pathlib import Path

from tests.control.kube.following import PAYMENTS, following
from tests.control.kube.json_objects import endpoint_slice, node
from tests.kube.cluster import cluster, follow_until, needs_api_server, permit, shop_service
from tests.kube.real_api_server import TRIMTAB
from trimtab.control.kube.kinds import NODES, SERVICES, SLICES
from trimtab.control.kube.watch_source import Scope

pytestmark = needs_api_server


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
            await permit(api, SERVICES, SLICES)
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


async def test_replicas_agree_on_what_was_seen(tmp_path: Path) -> None:
    """Resource versions are numbers that grow, and those of slices are what clients are told."""
    async with cluster(tmp_path) as api:
        await api.put(shop_service())
        await api.put(endpoint_slice("10.0.0.1"))
        async with following(api.url, credentials=api.access()) as first:
            written = int((await api.put(endpoint_slice("10.0.0.2")))["metadata"]["resourceVersion"])
            await api.put(node("n1", "a"))
            await first.until(lambda: first.source.progress.newest == written)
            async with following(api.url, credentials=api.access()) as second:
                await second.until(lambda: second.source.progress.newest == written)
                assert second.source.progress.has_reached(written)
            await api.delete(endpoint_slice())
            await first.until(lambda: first.source.progress.newest > written)
