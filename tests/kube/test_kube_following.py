"""The watch source against an API server, whichever it is."""

from tests.control.kube.following import PAYMENTS, following
from tests.control.kube.json_objects import endpoint_slice, node
from tests.kube.api_server import ADMIN, TRIMTAB, ApiServer
from tests.kube.cluster import follow_until, permit, pod_environment, shop_service
from trimtab.control.kube.access import AccessSource, in_cluster
from trimtab.control.kube.kinds import NODES, SERVICES, SLICES
from trimtab.control.kube.watch_source import Scope


async def test_what_is_there_is_served_and_changes_follow(api: ApiServer) -> None:
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


async def test_lists_come_in_pages(api: ApiServer) -> None:
    """What a second look asks for, with more slices than one page has."""
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


async def test_a_missing_permission_names_the_rule_and_the_rule_helps(api: ApiServer) -> None:
    await api.put(shop_service())
    await api.put(endpoint_slice("10.0.0.1"))
    async with following(api.url, credentials=api.access(TRIMTAB), wait=False) as follower:
        await follower.until(lambda: SLICES.rule() in follower.source.waiting_for)
        await permit(api, SERVICES, SLICES)
        # Nodes are still not permitted, and not needed.
        await follow_until(follower, "10.0.0.1")
        assert any(NODES.rule() in problem for problem in follower.source.problems)


async def test_a_token_that_is_refused_is_read_again(api: ApiServer) -> None:
    await api.put(shop_service())
    await api.put(endpoint_slice("10.0.0.1"))
    (api.folder / "token").write_text("expired")
    credentials = AccessSource(in_cluster(pod_environment(api), api.folder))
    async with following(api.url, credentials=credentials, wait=False) as follower:
        await follower.until(lambda: "Unauthorized" in follower.source.waiting_for)
        (api.folder / "token").write_text(ADMIN)
        await follow_until(follower, "10.0.0.1")
        await follower.until(lambda: not list(follower.source.problems))


async def test_scope_is_namespaces_and_labels(api: ApiServer) -> None:
    item = shop_service()
    await api.put({**item, "metadata": {**item["metadata"], "labels": {"team": "mine"}}})
    await api.put(endpoint_slice("10.0.0.1", team="mine"))
    await api.put(endpoint_slice("10.0.0.2", name="other", of="other"))
    async with following(api.url, Scope(("prod",), "team=mine"), credentials=api.access()) as follower:
        await follow_until(follower, "10.0.0.1")
        assert ("EndpointSlice", "prod", "other") not in follower.objects


async def test_replicas_agree_on_what_was_seen(api: ApiServer) -> None:
    """Resource versions are numbers that grow, and those of slices are what clients are told."""
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


async def test_an_api_server_that_comes_back_without_its_history_takes_nothing_away(api: ApiServer) -> None:
    await api.put(shop_service())
    await api.put(endpoint_slice("10.0.0.1"))
    async with following(api.url, credentials=api.access()) as follower:
        # So that what the watch of slices has reached is history by then.
        for number in range(10):
            await api.put(node(f"n{number}", "a"))
        looks = {feed: feed.looks for feed in follower.source._feeds if feed.kind is SLICES}
        await api.restart()
        await api.put(endpoint_slice("10.0.0.1", "10.0.0.2"))
        await follow_until(follower, "10.0.0.1", "10.0.0.2")
        assert not follower.withdrawn
        assert all(feed.looks > before for feed, before in looks.items())
