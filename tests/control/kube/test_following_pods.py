"""Pods, where they are followed: labels and ages of endpoints, and what is so without them."""

import datetime
import time
from pathlib import Path

import pytest

from tests.control.kube.fake_api_server import fake_api_server
from tests.control.kube.fake_store import encode
from tests.control.kube.following import PAYMENTS, Follower, following
from tests.control.kube.json_objects import Json, endpoint, endpoint_slice, pod, service
from trimtab.control.kube import watch_source
from trimtab.control.kube.kinds import ALWAYS, PODS
from trimtab.control.kube.messages import read_page
from trimtab.control.kube.watch_source import Scope
from trimtab.control.kubernetes import Metadata, Pod
from trimtab.model import Endpoint

WITH_PODS = Scope(kinds=(*ALWAYS, PODS))
LONG_AGO = "2026-01-01T00:00:00Z"


def ready_slice(*names: str) -> Json:
    return endpoint_slice(*(endpoint(f"10.0.0.{ord(name)}", pod=name) for name in names))


def endpoints(follower: Follower) -> dict[str, Endpoint]:
    port = follower.catalog.get(PAYMENTS)
    assert port is not None
    return {found.hostname: found for _, found in port.assignment.endpoints()}


def unix(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize("watch_list", [True, False])
async def test_endpoints_have_the_labels_and_the_age_of_their_pods(watch_list: bool) -> None:
    shop = (service(), ready_slice("a", "b"), pod("a", ready_at=LONG_AGO, shard="7"), pod("b", ready_at=LONG_AGO))
    async with fake_api_server(*shop) as api:
        api.can_watch_list = watch_list
        async with following(api.url, WITH_PODS) as follower:
            found = endpoints(follower)
            assert found["a"].labels == (("shard", "7"),)
            assert found["b"].labels == ()
            assert {one.ready_since for one in found.values()} == {unix(LONG_AGO)}
            api.put(pod("b", ready_at=LONG_AGO, shard="8"))
            await follower.until(lambda: endpoints(follower)["b"].label("shard") == "8")


async def test_a_pod_that_becomes_ready_is_as_old_as_it_says_whichever_is_heard_first() -> None:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat()
    async with (
        fake_api_server(service(), ready_slice("a"), pod("a", ready_at=LONG_AGO), pod("b"), pod("c")) as api,
        following(api.url, WITH_PODS) as follower,
    ):
        api.put(pod("b", ready_at=now))
        await follower.until(lambda: ("Pod", "prod", "b") in follower.objects and not follower.source._inbox._waiting)
        api.put(ready_slice("a", "b", "c"))
        await follower.until(lambda: "c" in endpoints(follower))
        api.put(pod("c", ready_at=now))
        await follower.until(lambda: endpoints(follower)["c"].ready_since == unix(now))
        await follower.until(lambda: endpoints(follower)["b"].ready_since == unix(now))
        assert endpoints(follower)["a"].ready_since == unix(LONG_AGO)


async def test_without_permission_for_pods_there_are_no_subsets_and_everything_else(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with fake_api_server(service(), ready_slice("a"), pod("a", ready_at=LONG_AGO, shard="7")) as api:
        api.access.denied = {"pods"}
        async with following(api.url, WITH_PODS) as follower:
            assert endpoints(follower)["a"].labels == ()
            api.put(ready_slice("a", "b"))
            await follower.until(lambda: "b" in endpoints(follower))
            assert endpoints(follower)["b"].ready_since == pytest.approx(time.time(), abs=60)
            assert follower.source.connected
            assert any(PODS.rule() in problem for problem in follower.source.problems)
    assert "".join(capfd.readouterr()).count("no subsets by Pod label") == 1


async def test_nobody_asks_for_pods_unless_they_are_wanted() -> None:
    async with fake_api_server(service(), ready_slice("a")) as api, following(api.url) as follower:
        assert follower.addresses()
        assert not [path for path, _ in api.requests if path.endswith("/pods")]


async def test_when_a_pod_was_first_seen_ready_survives_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fake_api_server(service(), ready_slice("a")) as api:
        async with following(api.url, state=tmp_path) as follower:
            api.put(ready_slice("a", "b"))
            await follower.until(lambda: "b" in endpoints(follower))
            seen = endpoints(follower)["b"].ready_since
            assert seen is not None
        api.put(ready_slice("a", "b", "c"))
        async with following(api.url, state=tmp_path) as follower:
            found = endpoints(follower)
            assert (found["a"].ready_since, found["b"].ready_since) == (None, seen)
            later = found["c"].ready_since
            assert later is not None
            assert later >= seen
        url = api.url
    # The API server is away: the same from the folder alone.
    monkeypatch.setattr(watch_source, "_RESTORE_AFTER_S", 0.1)
    async with following(url, state=tmp_path) as follower:
        assert {name: one.ready_since for name, one in endpoints(follower).items()} == {
            "a": None,
            "b": seen,
            "c": later,
        }


def test_of_a_pod_only_what_is_used_is_kept() -> None:
    item = pod("a", ready_at=LONG_AGO, shard="7")
    item["metadata"]["annotations"] = {"a": "b" * 1000}
    (kept,) = read_page(PODS, encode({"metadata": {}, "items": [item]})).items
    labels = {"shard": "7"}
    assert kept == Pod(Metadata("a", "prod", labels=labels, uid="uid-a"), ready_since=unix(LONG_AGO))
