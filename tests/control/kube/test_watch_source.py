"""A watch source over real connections to a pretended API server, one fault at a time."""

import pytest

from tests.control.kube.fake_api_server import Fault, fake_api_server
from tests.control.kube.following import PAYMENTS, following
from tests.control.kube.json_objects import endpoint, endpoint_slice, node, service
from trimtab.control.kube.kinds import SLICES
from trimtab.control.kube.watch_source import Scope
from trimtab.model import Locality, ServiceRef


@pytest.mark.parametrize("watch_list", [True, False])
async def test_what_is_there_is_served_and_changes_follow(watch_list: bool) -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api:
        api.can_watch_list = watch_list
        async with following(api.url) as follower:
            assert follower.addresses() == ["10.0.0.1"]
            api.put(endpoint_slice("10.0.0.1", "10.0.0.2"))
            await follower.until(lambda: follower.addresses() == ["10.0.0.1", "10.0.0.2"])
            api.delete("endpointslices", "prod", "payments-1")
            await follower.until(lambda: follower.addresses() == [])
            api.delete("services", "prod", "payments")
            await follower.until(lambda: follower.catalog.get(PAYMENTS) is None)
    assert any("sendInitialEvents" in query for _, query in api.requests)
    assert any("limit" in query for _, query in api.requests) is not watch_list


@pytest.mark.parametrize("status", [500, 503, 429, 504])
async def test_a_storm_of_errors_changes_nothing(status: int) -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api, following(api.url) as follower:
        api.fail("endpointslices", *[Fault(status=status)] * 3)
        api.cut()
        api.put(endpoint_slice("10.0.0.1", "10.0.0.2"))
        await follower.until(lambda: follower.addresses() == ["10.0.0.1", "10.0.0.2"])
        assert not follower.withdrawn


@pytest.mark.parametrize("as_status", [True, False])
async def test_lost_history_is_looked_up_again_and_deletions_are_found(as_status: bool) -> None:
    slices = [endpoint_slice(f"10.0.0.{n}", name=f"payments-{n}") for n in (1, 2)]
    async with fake_api_server(service(), *slices) as api:
        api.gone_as_status = as_status
        async with following(api.url) as follower:
            # Nobody sees the deletion: by the time the watch is back, its event is history.
            api.fail("endpointslices", Fault(status=503))
            api.cut("endpointslices")
            api.delete("endpointslices", "prod", "payments-1")
            api.put(endpoint_slice("10.0.0.3", name="payments-3"))
            api.forget()
            await follower.until(lambda: follower.addresses() == ["10.0.0.2", "10.0.0.3"])
            assert follower.withdrawn == {(str(PAYMENTS), "10.0.0.1")}


async def test_a_server_that_was_restored_from_a_backup_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says from then on has versions that were seen already, and it does not repeat them to whoever has."""
    monkeypatch.setattr("trimtab.control.kube.reflector._WATCH_S", (1, 1))
    nodes = [node(f"n{number}", "a") for number in range(50)]
    async with (
        fake_api_server(service(), *nodes, endpoint_slice("10.0.0.1")) as api,
        following(api.url) as follower,
    ):
        api.store.revision = 10
        api.forget()
        api.cut()
        api.put(endpoint_slice("10.0.0.2"))
        await follower.until(lambda: follower.addresses() == ["10.0.0.2"])
        api.put(endpoint_slice("10.0.0.3"))
        await follower.until(lambda: follower.addresses() == ["10.0.0.3"])


async def test_a_server_whose_cache_lags_is_said_to_and_asked_for_pages() -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api:
        api.fail("endpointslices", *[Fault(status=504, cause="ResourceVersionTooLarge")] * 3)
        async with following(api.url, wait=False) as follower:
            await follower.until(lambda: "endpointslices: as it was requested" in follower.source.waiting_for)
            await follower.until(lambda: follower.addresses() == ["10.0.0.1"])
            assert not list(follower.source.problems)
    assert [path for path, query in api.requests if "limit" in query] == [SLICES.path("")]


async def test_a_history_lost_in_the_middle_of_a_watch_is_looked_up_too() -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api, following(api.url) as follower:
        expired = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
        api.say("endpointslices", {"type": "ERROR", "object": expired})
        api.put(endpoint_slice("10.0.0.2"))
        await follower.until(lambda: follower.addresses() == ["10.0.0.2"])


async def test_a_watch_may_be_cut_in_the_middle_of_an_event() -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api, following(api.url) as follower:
        for turn, cut_after in enumerate((1, 2, 17, 250, 400, 599)):
            # Somewhere in the event that comes next: its line is about 600 bytes long.
            api.fail("endpointslices", Fault(cut_after=cut_after))
            api.cut("endpointslices")
            wanted = ["10.0.0.1", f"10.0.1.{turn}"]
            api.put(endpoint_slice(*wanted))
            await follower.until(lambda wanted=wanted: follower.addresses() == wanted)  # type: ignore[misc]
        assert (str(PAYMENTS), "10.0.0.1") not in follower.withdrawn


@pytest.mark.parametrize("cut_after", [1, 40, 300, 700])
async def test_a_first_list_that_breaks_off_is_made_again(cut_after: int) -> None:
    slices = [endpoint_slice(f"10.0.0.{n}", name=f"payments-{n}") for n in range(1, 9)]
    async with fake_api_server(service(), *slices) as api:
        api.can_watch_list = cut_after % 2 == 0
        api.fail("endpointslices", Fault(cut_after=cut_after), Fault(cut_after=cut_after))
        async with following(api.url) as follower:
            assert len(follower.addresses()) == 8


async def test_a_list_comes_in_pages_and_a_lost_page_starts_it_over() -> None:
    slices = [endpoint_slice(f"10.0.{n}.1", name=f"payments-{n:03}") for n in range(250)]
    async with fake_api_server(service(), *slices) as api:
        api.can_watch_list = False
        # The stream is refused, the first page comes, the next one is too late.
        api.fail("endpointslices", Fault(), Fault(), Fault(status=410, reason="Expired"))
        async with following(api.url) as follower:
            assert len(follower.addresses()) == 250
    pages = [query for path, query in api.requests if path.endswith("endpointslices") and "limit" in query]
    assert [("continue" in query) for query in pages] == [False, True, False, True, True]


async def test_a_server_that_ends_watches_at_once_is_not_hammered() -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api, following(api.url) as follower:
        for turn in range(5):
            before = len(api.requests)
            api.end("endpointslices")
            await follower.until(lambda before=before: len(api.requests) > before)  # type: ignore[misc]
            api.put(endpoint_slice(f"10.0.0.{turn}"))
            await follower.until(lambda turn=turn: follower.addresses() == [f"10.0.0.{turn}"])  # type: ignore[misc]


async def test_bookmarks_move_the_starting_point_of_the_next_watch() -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api, following(api.url) as follower:
        api.put(*[node(f"n{n}", "a") for n in range(5)])
        api.bookmark("endpointslices")
        api.put(endpoint_slice("10.0.0.2"))
        await follower.until(lambda: follower.addresses() == ["10.0.0.2"])
        seen = len(api.requests)
        api.forget()
        api.cut("endpointslices")
        api.put(endpoint_slice("10.0.0.3"))
        await follower.until(lambda: follower.addresses() == ["10.0.0.3"])
        (asked, *_) = [query for path, query in api.requests[seen:] if path.endswith("endpointslices")]
        assert "resourceVersion" in asked


async def test_replayed_and_repeated_events_change_nothing() -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api:
        old = api.store.objects["endpointslices"]["prod", "payments-1"]
        async with following(api.url) as follower:
            api.put(endpoint_slice("10.0.0.2"))
            await follower.until(lambda: follower.addresses() == ["10.0.0.2"])
            api.say("endpointslices", {"type": "MODIFIED", "object": old})
            api.say("endpointslices", {"type": "DELETED", "object": old})
            api.put(endpoint_slice("10.0.0.9", name="payments-2"))
            await follower.until(lambda: "10.0.0.9" in follower.addresses())
            assert follower.addresses() == ["10.0.0.2", "10.0.0.9"]
            assert follower.withdrawn == {(str(PAYMENTS), "10.0.0.1")}


async def test_an_object_that_is_not_as_expected_costs_itself_alone() -> None:
    broken = endpoint_slice("10.0.0.9", name="payments-0")
    broken["endpoints"] = "none"
    async with fake_api_server(service(), broken, endpoint_slice("10.0.0.1")) as api:
        api.can_watch_list = False
        async with following(api.url) as follower:
            assert follower.addresses() == ["10.0.0.1"]
            api.put({**broken, "endpoints": 7}, endpoint_slice("10.0.0.2"))
            await follower.until(lambda: follower.addresses() == ["10.0.0.2"])


async def test_regions_and_zones_come_from_nodes() -> None:
    placed = endpoint_slice(endpoint("10.0.0.1", node="n1"), endpoint("10.0.0.2", node="n2", zone="b"))
    async with fake_api_server(service(), placed, node("n1", "a")) as api, following(api.url) as follower:
        port = follower.catalog.get(PAYMENTS)
        assert port is not None
        assert [group.locality for group in port.assignment.localities] == [Locality("", "b"), Locality("eu", "a")]
    accepted = {headers["Accept"] for headers in api.headers if "as=" in headers["Accept"]}
    assert accepted == {"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"}


async def test_scope_is_namespaces_and_labels() -> None:
    mine = {"team": "mine"}
    objects = [
        service(labels=mine),
        endpoint_slice("10.0.0.1", team="mine"),
        service("other"),
        service(namespace="test", labels=mine),
        service(namespace="elsewhere", labels=mine),
    ]
    async with fake_api_server(*objects) as api:
        scope = Scope(("prod", "test"), "team=mine")
        async with following(api.url, scope) as follower:
            assert {str(port.ref) for port in follower.catalog.service_ports()} == {
                "payments.prod:8080",
                "payments.test:8080",
            }
            api.put(service("late", labels=mine), endpoint_slice("10.0.0.2", team="mine"))
            await follower.until(lambda: follower.catalog.get(ServiceRef("late", "prod", "8080")) is not None)
            # An object whose labels no longer fit is gone, as far as this control plane is concerned.
            api.put(service("late"))
            await follower.until(lambda: follower.catalog.get(ServiceRef("late", "prod", "8080")) is None)
    assert {query.get("labelSelector") for path, query in api.requests if path.endswith("nodes")} == {None}
