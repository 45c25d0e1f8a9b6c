"""How well a replica saw Pods become ready, by which others know whom to believe (docs/adr/0044)."""

import time
from pathlib import Path

import pytest

from tests.control.kube.fake_api_server import Fault, fake_api_server
from tests.control.kube.following import Follower, following
from tests.control.kube.json_objects import endpoint, endpoint_slice, service
from trimtab.control.kube import watch_source
from trimtab.control.kube.kinds import SLICES
from trimtab.xds.service_readiness import Sighting


def sightings(follower: Follower) -> dict[str, Sighting]:
    """By Pod uid."""
    told = follower.source.readiness.told(("prod", "payments"))
    return {uid: sighting for (_, _, uid), sighting in told.items()}


async def seeing(follower: Follower) -> None:
    slices = [feed for feed in follower.source._feeds if feed.kind is SLICES]
    await follower.until(lambda: all(feed.open_since is not None for feed in slices))


async def test_what_came_while_nobody_looked_may_have_come_at_any_time_since(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = (endpoint(f"10.0.0.{number}", pod=pod) for number, pod in enumerate("abc", start=1))
    async with fake_api_server(service(), endpoint_slice(one)) as api, following(api.url) as follower:
        monkeypatch.setattr(watch_source, "_CAUGHT_UP_S", 0.0)
        await seeing(follower)
        began = time.time()
        api.put(endpoint_slice(one, two))
        await follower.until(lambda: "uid-b" in sightings(follower))
        seen = sightings(follower)["uid-b"]
        assert began <= seen.absent_until <= seen.ready_since

        # From now on no watch is open for long enough.
        monkeypatch.setattr(watch_source, "_CAUGHT_UP_S", 3600.0)
        broke_off = time.time()
        api.fail("endpointslices", *[Fault(status=503)] * 2)
        api.cut()
        api.put(endpoint_slice(one, two, three))
        await follower.until(lambda: "uid-c" in sightings(follower))
        unseen = sightings(follower)["uid-c"]
        assert began <= unseen.absent_until <= broke_off <= unseen.ready_since
        assert "uid-a" not in sightings(follower)


async def test_what_an_earlier_life_saw_gives_way_to_whoever_lived_on(tmp_path: Path) -> None:
    one, two, three = (endpoint(f"10.0.0.{number}", pod=pod) for number, pod in enumerate("abc", start=1))
    async with fake_api_server(service(), endpoint_slice(one)) as api:
        async with following(api.url, state=tmp_path) as follower:
            api.put(endpoint_slice(one, two))
            await follower.until(lambda: "uid-b" in sightings(follower))
            earlier = sightings(follower)["uid-b"]
        written_at = time.time()
        api.put(endpoint_slice(one, two, three))
        async with following(api.url, state=tmp_path) as follower:
            known = sightings(follower)
        assert known["uid-b"] == Sighting(0.0, earlier.ready_since)
        assert known["uid-c"].absent_until <= written_at <= known["uid-c"].ready_since
