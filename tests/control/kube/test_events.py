"""Events about wrong policies: which one when, what it says, and what becomes of it at an API server."""

from datetime import UTC, datetime

import pytest

from tests.control.kube.fake_api_server import FakeApiServer, Fault, fake_api_server
from tests.control.kube.following import Follower, following
from tests.control.kube.json_objects import Json, service
from trimtab.control.kube.events import BURST, REFILL_S, REPEAT_S, SPACING_S, EventBook, event
from trimtab.control.kubernetes import Metadata, Service

PAYMENTS, ORDERS = ("prod", "payments"), ("prod", "orders")
NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


def all_due(book: EventBook, now: float) -> list[tuple[tuple[str, str], str, int]]:
    found = []
    while (occurrence := book.next(now)) is not None:
        found.append((occurrence.service, occurrence.problem, occurrence.count))
    return found


def test_a_problem_is_said_once_and_again_while_it_lasts() -> None:
    book = EventBook()
    book.observe({PAYMENTS: "x"}, 100.0)
    assert all_due(book, 100.0) == [(PAYMENTS, "x", 1)]
    book.observe({PAYMENTS: "x"}, 101.0)
    assert all_due(book, 101.0) == []
    assert book.wait_s(101.0) == pytest.approx(REPEAT_S - 1)
    assert all_due(book, 100.0 + REPEAT_S) == [(PAYMENTS, "x", 2)]
    book.observe({}, 100.0 + REPEAT_S)
    assert all_due(book, 100.0 + 3 * REPEAT_S) == []
    assert book.wait_s(100.0) is None


def test_edits_of_one_annotation_are_spaced_and_the_last_one_is_said() -> None:
    book = EventBook()
    book.observe({PAYMENTS: "first"}, 0.0)
    assert all_due(book, 0.0) == [(PAYMENTS, "first", 1)]
    book.observe({PAYMENTS: "second"}, 1.0)
    book.observe({}, 2.0)
    book.observe({PAYMENTS: "third", ORDERS: "other"}, 3.0)
    assert all_due(book, 3.0) == [(ORDERS, "other", 1)]
    assert book.wait_s(3.0) == pytest.approx(SPACING_S - 3)
    assert all_due(book, SPACING_S) == [(PAYMENTS, "third", 1)]


def test_many_at_once_are_said_slowly() -> None:
    book = EventBook()
    problems = {("prod", f"service-{number}"): "x" for number in range(BURST + 3)}
    book.observe(problems, 0.0)
    assert len(all_due(book, 0.0)) == BURST
    assert book.wait_s(0.0) == pytest.approx(REFILL_S)
    assert len(all_due(book, REFILL_S)) == 1
    assert len(all_due(book, 3 * REFILL_S)) == 2


def test_what_failed_is_tried_again_unless_it_is_not_true_any_more() -> None:
    book = EventBook()
    book.observe({PAYMENTS: "x", ORDERS: "y"}, 0.0)
    for occurrence in filter(None, [book.next(0.0), book.next(0.0)]):
        book.failed(occurrence, 5.0)
    book.observe({PAYMENTS: "x"}, 1.0)
    assert all_due(book, 4.0) == []
    assert all_due(book, 5.0) == [(PAYMENTS, "x", 1)]


def test_the_same_problem_has_the_same_name_and_another_has_another() -> None:
    shop = Service(Metadata("payments", "prod", uid="u1"))
    again = Service(Metadata("payments", "prod", uid="u2"))
    names = [
        event(item, why, NOW)["metadata"]["name"] for item, why in ((shop, "a"), (shop, "a"), (shop, "b"), (again, "a"))
    ]
    assert names[0] == names[1]
    assert len({*names}) == 3


def test_a_long_message_is_cut_to_what_the_api_takes() -> None:
    message = event(Service(Metadata("payments", "prod")), "ä" * 1000, NOW)["message"]
    assert message.endswith("ä…")
    assert 1000 < len(message.encode()) <= 1024


def events(api: FakeApiServer) -> list[Json]:
    return list(api.store.objects["events"].values())


async def test_an_event_is_about_the_service_and_is_counted_up_by_other_replicas() -> None:
    async with fake_api_server(service()) as api, following(api.url) as one, following(api.url) as two:
        one.source.report({PAYMENTS: "no such field"})
        await one.until(lambda: bool(events(api)))
        (raised,) = events(api)
        assert (raised["type"], raised["reason"], raised["count"]) == ("Warning", "PolicyRejected", 1)
        assert raised["message"] == "no such field; the last good policy stays in use"
        (stored,) = api.store.objects["services"].values()
        assert raised["involvedObject"]["uid"] == stored["metadata"]["uid"]
        two.source.report({PAYMENTS: "no such field"})
        await one.until(lambda: events(api)[0]["count"] == 2)
        assert len(events(api)) == 1


def said(follower: Follower) -> str:
    return "; ".join(map(str, follower.source.problems))


async def test_without_permission_it_says_the_missing_rule_and_serves_on() -> None:
    async with fake_api_server(service()) as api:
        api.access.denied.add("events")
        async with following(api.url) as follower:
            follower.source.report({PAYMENTS: "no such field"})
            await follower.until(lambda: "events: no permission to raise Events" in said(follower))
            assert 'resources: ["events"], verbs: ["create", "patch"]' in said(follower)
            assert follower.source.connected


async def test_a_namespace_that_ends_is_no_missing_permission() -> None:
    ending = {"kind": "Namespace", "metadata": {"name": "prod"}, "status": {"phase": "Terminating"}}
    items = (ending, {"kind": "Namespace", "metadata": {"name": "shop"}}, service(), service("orders", "shop"))
    async with fake_api_server(*items) as api, following(api.url) as follower:
        follower.source.report({PAYMENTS: "no such field"})
        follower.source.report({PAYMENTS: "no such field", ("shop", "orders"): "no such field"})
        # The one there can be is not held up by the one there cannot.
        await follower.until(lambda: bool(events(api)))
        assert not said(follower)
        (raised,) = events(api)
        assert raised["involvedObject"]["namespace"] == "shop"


async def test_an_api_server_with_too_much_to_do_is_asked_again() -> None:
    async with fake_api_server(service()) as api, following(api.url) as follower:
        api.fail("events", Fault(status=503), Fault(status=500))
        follower.source.report({PAYMENTS: "no such field"})
        await follower.until(lambda: bool(events(api)))
        assert not said(follower)
