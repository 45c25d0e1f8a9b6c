"""A replica that lags behind what somebody has seen waits until it does not, or knows that there is no such thing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.control.kube.fake_api_server import FakeApiServer, Fault, fake_api_server
from tests.control.kube.following import PAYMENTS, Follower, following
from tests.control.kube.json_objects import endpoint_slice, node, service
from tests.control.xds_client import XdsClient, addresses
from trimtab.control import progress
from trimtab.control.census import Census
from trimtab.control.kube import watch_source
from trimtab.control.metrics import Metrics
from trimtab.control.xds_server import XdsServer
from trimtab.xds.identifier import read_identifier


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE_S", 0.05)
    monkeypatch.setattr(watch_source, "_DOUBT_S", 0.1)
    monkeypatch.setattr(watch_source, "_RESTORE_AFTER_S", 0.1)


async def test_two_replicas_that_know_the_same_have_seen_the_same() -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api, following(api.url) as first:
        api.put(endpoint_slice("10.0.0.1", "10.0.0.2"))
        newest = api.store.revision
        # What happens to others is no news of endpoints.
        api.put(node("n1", "a"))
        async with following(api.url) as second:
            for follower in (first, second):
                await follower.until(lambda follower=follower: follower.source.progress.newest == newest)  # type: ignore[misc]
                await follower.source.progress.reach(newest)


async def test_a_deletion_is_something_to_have_seen() -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api, following(api.url) as follower:
        api.delete("endpointslices", "prod", "payments-1")
        await follower.until(lambda: follower.source.progress.newest == api.store.revision)


async def test_who_has_seen_more_waits_until_it_is_served() -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api, following(api.url) as lagging:
        # The stream stays open and says nothing; the look after it fails too.
        api.fail("endpointslices", *[Fault(status=503)] * 3)
        api.cut("endpointslices")
        api.put(endpoint_slice("10.0.0.2"))
        await lagging.source.progress.reach(api.store.revision)
        assert lagging.addresses() == ["10.0.0.2"]


async def test_a_watch_that_is_stuck_does_not_keep_anybody_waiting() -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api, following(api.url) as lagging:
        # Half-open: everything that follows is lost on the way.
        api.fail("endpointslices", Fault(silent=True))
        api.cut("endpointslices")
        await lagging.until(lambda: not api.faults["endpointslices"])
        seen = len(api.requests)
        api.put(endpoint_slice("10.0.0.2"))
        await lagging.source.progress.reach(api.store.revision)
        assert lagging.addresses() == ["10.0.0.2"]
        looks = [query for path, query in api.requests[seen:] if path.endswith("/endpointslices") and "limit" in query]
        assert looks
        assert all("resourceVersion" not in query for query in looks)


async def test_a_cluster_that_was_restored_from_a_backup_is_believed() -> None:
    """What clients have seen is of a future that will not come: the newest list says so."""
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api, following(api.url) as follower:
        await follower.source.progress.reach(api.store.revision + 1000)
        assert follower.addresses() == ["10.0.0.1"]


async def test_claims_do_not_make_it_list_everything_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api, following(api.url) as follower:
        await follower.source.progress.reach(10**12)
        monkeypatch.setattr(watch_source, "_DOUBT_S", 1000.0)
        looks = follower.source._feeds[1].looks
        claims = [asyncio.ensure_future(follower.source.progress.reach(10**12 + n)) for n in range(50)]
        await follower.until(lambda: follower.source.progress.doubted)
        api.put(endpoint_slice("10.0.0.2"))
        await follower.until(lambda: follower.addresses() == ["10.0.0.2"])
        assert not any(claim.done() for claim in claims)
        assert follower.source._feeds[1].looks == looks
        for claim in claims:
            claim.cancel()
        await asyncio.gather(*claims, return_exceptions=True)


async def test_saved_state_is_not_for_those_who_have_seen_more(tmp_path: Path) -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api:
        async with following(api.url, state=tmp_path):
            pass
        port, url, store = api.port, api.url, api.store
    async with following(url, state=tmp_path) as follower:
        assert follower.source.stale_since is not None
        # The state says how far it goes, to clients who come with nothing.
        assert follower.source.progress.newest == store.revision
        back = FakeApiServer(store)
        back.put(endpoint_slice("10.0.0.2"))
        claim = asyncio.ensure_future(follower.source.progress.reach(store.revision))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(claim), 0.3)
        assert not claim.done()
        await back.start(port)
        try:
            await claim
            assert follower.addresses() == ["10.0.0.2"]
        finally:
            await back.stop()


@contextlib.asynccontextmanager
async def replica(follower: Follower) -> AsyncIterator[str]:
    """What a follower knows, served; the address."""
    server = XdsServer(follower.store, Census(), Metrics())
    port = await server.start("127.0.0.1:0")
    server.complete()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def test_a_client_that_moves_to_a_replica_that_lags_is_never_rolled_back() -> None:
    async with (
        fake_api_server(service(), endpoint_slice("10.0.0.1")) as api,
        following(api.url) as follower,
        replica(follower) as lagging,
    ):
        # Everything that follows is lost on the way to this one.
        api.fail("endpointslices", Fault(silent=True))
        api.cut("endpointslices")
        await follower.until(lambda: not api.faults["endpointslices"])
        api.put(endpoint_slice("10.0.0.2"))
        async with following(api.url) as ahead, replica(ahead) as current:
            async with XdsClient(current, str(PAYMENTS)) as client:
                response = await client.response()
                assert addresses(response) == {str(PAYMENTS): ["10.0.0.2"]}
            said = read_identifier(response.control_plane.identifier)
            assert said is not None
            async with XdsClient(lagging, str(PAYMENTS)) as stranger:
                assert addresses(await stranger.response()) == {str(PAYMENTS): ["10.0.0.1"]}
                async with XdsClient(lagging, str(PAYMENTS), seen=said.seen) as client:
                    assert addresses(await client.response()) == {str(PAYMENTS): ["10.0.0.2"]}
