"""Events at an API server, whichever it is."""

import asyncio

from tests.control.kube.following import following
from tests.control.kube.json_objects import Json
from tests.kube.api_server import ApiServer
from tests.kube.cluster import shop_service


async def _events(api: ApiServer, item: Json, count: int) -> list[Json]:
    """What `kubectl describe` finds, once it was raised so many times."""
    path = f"/api/v1/namespaces/prod/events?fieldSelector=involvedObject.uid={item['metadata']['uid']}"
    async with asyncio.timeout(90):
        while True:
            found: list[Json] = (await api.request("GET", path))["items"]
            if found and found[0]["count"] == count:
                return found
            await asyncio.sleep(0.05)


async def test_an_event_says_on_the_service_what_is_wrong_and_is_counted_up(api: ApiServer) -> None:
    stored = await api.put(shop_service())
    async with (
        following(api.url, credentials=api.access()) as one,
        following(api.url, credentials=api.access()) as two,
    ):
        await one.until(lambda: ("Service", "prod", "payments") in one.objects)
        await two.until(lambda: ("Service", "prod", "payments") in two.objects)
        one.source.report({("prod", "payments"): "no such field"})
        (raised,) = await _events(api, stored, 1)
        assert (raised["type"], raised["reason"]) == ("Warning", "PolicyRejected")
        assert raised["message"] == "no such field; the last good policy stays in use"
        two.source.report({("prod", "payments"): "no such field"})
        assert len(await _events(api, stored, 2)) == 1


async def test_a_policy_that_is_refused_is_an_event_on_its_service(api: ApiServer) -> None:
    item = shop_service()
    item["metadata"]["annotations"] = {"trimtab.dev/policy": "{strategy: [}"}
    stored = await api.put(item)
    async with following(api.url, credentials=api.access()) as follower:
        await follower.until(lambda: bool(follower.catalog.problems))
        follower.source.report(follower.catalog.problems)
        (raised,) = await _events(api, stored, 1)
    assert "trimtab.dev/policy" in raised["message"]
