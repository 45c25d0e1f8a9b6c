"""What everything here relies on in an API server's answers: what the pretended one says must be what a real one says."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

from tests.control.kube.json_objects import Json, endpoint_slice, node
from tests.kube.api_server import TRIMTAB, Answer, ApiServer

SERVICES = "/api/v1/namespaces/prod/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/prod/endpointslices"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
METADATA_LIST = METADATA.replace("Metadata;", "MetadataList;")
WATCH_LIST = {
    "watch": "true",
    "sendInitialEvents": "true",
    "resourceVersionMatch": "NotOlderThan",
    "allowWatchBookmarks": "true",
}
PATIENCE_S = 90.0


def at(path: str, **query: Any) -> str:
    return f"{path}?{urlencode(query)}"


def said(answer: Answer) -> tuple[int, str, int]:
    assert (answer.body["kind"], answer.body["status"]) == ("Status", "Failure")
    return answer.status, answer.body["reason"], answer.body["code"]


def causes(answer: Answer, what: str) -> set[str]:
    return {cause[what] for cause in answer.body["details"]["causes"]}


async def next_event(events: AsyncIterator[Json]) -> Json:
    async with asyncio.timeout(PATIENCE_S):
        return await anext(events)


async def following(events: AsyncIterator[Json]) -> Json:
    """The next event that is no bookmark: those come whenever they like."""
    while (event := await next_event(events))["type"] == "BOOKMARK":
        pass
    return event


async def first_event(api: ApiServer, path: str) -> Json:
    async with api.watch(path) as events:
        return await following(events)


async def initial(events: AsyncIterator[Json]) -> tuple[list[Json], Json]:
    """What there is, as WatchList tells it, and the bookmark behind it."""
    found: list[Json] = []
    while (event := await next_event(events))["type"] == "ADDED":
        found.append(event["object"])
    assert event["type"] == "BOOKMARK"
    assert event["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true"
    return found, event["object"]


def version(item: Json) -> int:
    return int(item["metadata"]["resourceVersion"])


async def test_who_is_not_known_and_who_may_not(api: ApiServer) -> None:
    assert said(await api.ask("GET", SERVICES, token="nobody's")) == (401, "Unauthorized", 401)
    refused = await api.ask("GET", "/apis/discovery.k8s.io/v1/endpointslices", token=TRIMTAB)
    assert said(refused) == (403, "Forbidden", 403)
    assert refused.body["message"].startswith(
        'endpointslices.discovery.k8s.io is forbidden: User "trimtab" cannot list resource "endpointslices" '
        'in API group "discovery.k8s.io" at the cluster scope'
    )
    refused = await api.ask("GET", at(SERVICES, watch="true"), token=TRIMTAB)
    assert 'User "trimtab" cannot watch resource "services" in API group "" in the namespace "prod"' in str(
        refused.body["message"]
    )


async def test_what_is_not_there(api: ApiServer) -> None:
    assert said(await api.ask("GET", f"{SERVICES}/absent")) == (404, "NotFound", 404)
    assert said(await api.ask("PUT", f"{SLICES}/payments-1", endpoint_slice("10.0.0.1"))) == (404, "NotFound", 404)
    assert said(await api.ask("DELETE", f"{SERVICES}/absent")) == (404, "NotFound", 404)
    assert (await api.ask("GET", "/api/v1/nonsense")).status == 404
    refused = await api.ask("POST", SLICES.replace("prod", "nowhere"), endpoint_slice("10.0.0.1", namespace="nowhere"))
    assert said(refused) == (404, "NotFound", 404)
    assert refused.body["message"] == 'namespaces "nowhere" not found'


async def test_writes_that_do_not_fit(api: ApiServer) -> None:
    first = await api.put(endpoint_slice("10.0.0.1"))
    assert said(await api.ask("POST", SLICES, endpoint_slice("10.0.0.1"))) == (409, "AlreadyExists", 409)
    await api.put(endpoint_slice("10.0.0.2"))
    assert said(await api.ask("PUT", f"{SLICES}/payments-1", first)) == (409, "Conflict", 409)
    answer = await api.ask("PATCH", f"{SLICES}/payments-1", {}, Content_Type="application/json")
    assert answer.status == 415


async def test_a_write_that_changes_nothing_is_none(api: ApiServer) -> None:
    first = await api.put(endpoint_slice("10.0.0.1"))
    assert version(await api.put(endpoint_slice("10.0.0.1"))) == version(first)
    unchanged = await api.request("PATCH", f"{SLICES}/payments-1", {"metadata": {"labels": {"absent": None}}})
    assert version(unchanged) == version(first)


async def test_what_a_slice_may_not_say(api: ApiServer) -> None:
    answer = await api.ask("POST", SLICES, endpoint_slice("10.0.0.1", "127.0.0.1"))
    assert said(answer) == (422, "Invalid", 422)
    assert causes(answer, "field") == {"endpoints[1].addresses[0]"}
    await api.put(endpoint_slice("10.0.0.1"))
    answer = await api.ask("PUT", f"{SLICES}/payments-1", {**endpoint_slice("fd00::1"), "addressType": "IPv6"})
    assert said(answer) == (422, "Invalid", 422)
    assert causes(answer, "field") == {"addressType"}


async def test_a_namespace_that_ends_takes_nothing_more(api: ApiServer) -> None:
    """Its status is that of a missing permission; what is there stays, for nobody here empties it."""
    await api.put(endpoint_slice("10.0.0.1"))
    await api.request("DELETE", "/api/v1/namespaces/prod")
    answer = await api.ask("POST", SLICES, endpoint_slice("10.0.0.2", name="payments-2"))
    assert said(answer) == (403, "Forbidden", 403)
    assert causes(answer, "reason") == {"NamespaceTerminating"}
    assert len((await api.ask("GET", SLICES)).body["items"]) == 1


async def test_a_token_of_a_service_account_lives_for_ten_minutes_at_least(api: ApiServer) -> None:
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "a", "namespace": "prod"}}
    await api.put(account)
    path = "/api/v1/namespaces/prod/serviceaccounts/a/token"
    wanted = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1"}
    answer = await api.ask("POST", path, {**wanted, "spec": {"expirationSeconds": 599}})
    assert said(answer) == (422, "Invalid", 422)
    made = await api.request("POST", path, {**wanted, "spec": {"expirationSeconds": 600}})
    answer = await api.ask("GET", SERVICES, token=made["status"]["token"])
    assert said(answer) == (403, "Forbidden", 403)
    assert 'User "system:serviceaccount:prod:a" cannot list resource "services"' in answer.body["message"]


async def test_options_that_do_not_go_together(api: ApiServer) -> None:
    for query in (
        {"resourceVersionMatch": "NotOlderThan"},
        {"sendInitialEvents": "true"},
        {"watch": "true", "sendInitialEvents": "true"},
        {"watch": "true", "resourceVersionMatch": "NotOlderThan"},
    ):
        refused = await api.ask("GET", at(SERVICES, **query))
        assert said(refused) == (422, "Invalid", 422), query
        assert refused.body["message"].startswith('ListOptions.meta.k8s.io "" is invalid: ')


async def test_a_version_that_is_not_yet(api: ApiServer) -> None:
    listed = await api.ask("GET", SERVICES)
    answer = await api.ask("GET", at(SERVICES, resourceVersion=version(listed.body) + 1_000_000))
    assert said(answer) == (504, "Timeout", 504)
    assert causes(answer, "reason") == {"ResourceVersionTooLarge"}
    assert answer.body["details"]["retryAfterSeconds"] >= 1


async def test_pages(api: ApiServer) -> None:
    for number in range(5):
        await api.put(endpoint_slice("10.0.0.1", name=f"payments-{number}"))
    names: list[str] = []
    first = (await api.ask("GET", at(SLICES, limit=2))).body
    assert "kind" not in first["items"][0]
    # What happens meanwhile is not seen: all pages are of one moment.
    await api.put(endpoint_slice("10.0.0.1", name="payments-5"))
    page = first
    while token := page["metadata"].get("continue"):
        names += [item["metadata"]["name"] for item in page["items"]]
        page = (await api.ask("GET", at(SLICES, **{"limit": 2, "continue": token}))).body
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    names += [item["metadata"]["name"] for item in page["items"]]
    assert names == [f"payments-{number}" for number in range(5)]
    # A token is no password: it can be used again.
    again = (await api.ask("GET", at(SLICES, **{"limit": 9, "continue": first["metadata"]["continue"]}))).body
    assert len(again["items"]) == 3
    nonsense = await api.ask("GET", at(SLICES, **{"limit": 2, "continue": "nonsense"}))
    assert nonsense.status == 400


async def test_a_watch_list_and_what_follows(api: ApiServer) -> None:
    await api.put(endpoint_slice("10.0.0.1"))
    written = await api.put(endpoint_slice("10.0.0.2", name="payments-2"))
    async with api.watch(at(SLICES, **WATCH_LIST)) as events:
        found, bookmark = await initial(events)
        assert sorted(item["metadata"]["name"] for item in found) == ["payments-1", "payments-2"]
        assert found[0]["kind"] == bookmark["kind"] == "EndpointSlice"
        assert version(bookmark) >= version(written)
        changed = await api.put(endpoint_slice("10.0.0.3"))
        event = await following(events)
        assert (event["type"], version(event["object"])) == ("MODIFIED", version(changed))
        await api.delete(changed)
        event = await following(events)
        assert (event["type"], event["object"]["metadata"]["name"]) == ("DELETED", "payments-1")
        # When it went, not when it was written.
        assert version(event["object"]) > version(changed)


async def test_what_a_selector_does_not_select_any_more_is_deleted(api: ApiServer) -> None:
    await api.put(endpoint_slice("10.0.0.1", team="mine"))
    await api.put(endpoint_slice("10.0.0.2", name="theirs", team="theirs"))
    async with api.watch(at(SLICES, labelSelector="team=mine", **WATCH_LIST)) as events:
        found, _ = await initial(events)
        assert [item["metadata"]["name"] for item in found] == ["payments-1"]
        changed = await api.put(endpoint_slice("10.0.0.3", team="theirs"))
        event = await following(events)
        assert (event["type"], version(event["object"])) == ("DELETED", version(changed))
        assert event["object"]["endpoints"][0]["addresses"] == ["10.0.0.1"]
        await api.put(endpoint_slice("10.0.0.4", name="theirs", team="mine"))
        assert (await following(events))["type"] == "ADDED"


async def test_metadata_alone(api: ApiServer) -> None:
    await api.put(node("n1", "a"))
    listed = (await api.ask("GET", "/api/v1/nodes", Accept=METADATA_LIST)).body
    assert (listed["kind"], listed["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    (item,) = listed["items"]
    assert item["metadata"]["labels"]["topology.kubernetes.io/zone"] == "a"
    assert "status" not in item
    async with api.watch(at("/api/v1/nodes", **WATCH_LIST), accept=METADATA) as events:
        found, bookmark = await initial(events)
    assert [item["kind"] for item in (*found, bookmark)] == ["PartialObjectMetadata"] * 2
    assert "status" not in found[0]


async def test_a_watch_from_no_version_begins_with_what_there_is(api: ApiServer) -> None:
    written = await api.put(endpoint_slice("10.0.0.1"))
    for query in ({"watch": "true"}, {"watch": "true", "resourceVersion": "0"}):
        event = await first_event(api, at(SLICES, **query))
        assert (event["type"], version(event["object"])) == ("ADDED", version(written))


async def test_a_watch_from_a_version_tells_what_came_after_it_and_ends_in_time(api: ApiServer) -> None:
    first = await api.put(endpoint_slice("10.0.0.1"))
    second = await api.put(endpoint_slice("10.0.0.2"))
    query = {"watch": "true", "resourceVersion": version(first), "timeoutSeconds": "4"}
    async with asyncio.timeout(PATIENCE_S), api.watch(at(SLICES, **query)) as watched:
        events = [event async for event in watched]
    assert [(event["type"], version(event["object"])) for event in events] == [("MODIFIED", version(second))]


async def test_a_watch_from_a_version_that_is_not_yet_is_accepted_and_told_nothing(api: ApiServer) -> None:
    """As after a restore from a backup: until that version is reached, there are not even bookmarks."""
    first = await api.put(endpoint_slice("10.0.0.1"))
    query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": "4"}
    async with (
        asyncio.timeout(PATIENCE_S),
        api.watch(at(SLICES, resourceVersion=version(first) + 1_000_000, **query)) as watched,
    ):
        await api.put(endpoint_slice("10.0.0.2"))
        assert [event async for event in watched] == []


async def test_a_version_whose_history_is_lost(api: ApiServer) -> None:
    first = await api.put(endpoint_slice("10.0.0.1"))
    await api.put(endpoint_slice("10.0.0.2"))
    await api.restart()
    event = await first_event(api, at(SLICES, watch="true", resourceVersion=version(first)))
    assert event["type"] == "ERROR"
    status = event["object"]
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")


async def test_a_status_is_written_by_itself(api: ApiServer) -> None:
    pod: Json = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "p", "namespace": "prod"},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]},
        "status": {"phase": "Running", "podIP": "10.1.0.1"},
    }
    made = await api.request("POST", "/api/v1/namespaces/prod/pods", pod)
    assert made["status"]["phase"] == "Pending"
    path = "/api/v1/namespaces/prod/pods/p"
    await api.request("PATCH", path, {"status": {"phase": "Failed"}, "metadata": {"labels": {"a": "b"}}})
    changed = await api.request("PATCH", f"{path}/status", {"status": {"phase": "Running"}})
    assert (changed["status"]["phase"], changed["metadata"]["labels"]) == ("Running", {"a": "b"})
