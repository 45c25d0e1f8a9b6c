"""The state machine, one rule per test, without a network."""

import random
from typing import Any

import pytest

from tests.control.kube.fake_store import encode
from tests.control.kube.json_objects import Json, endpoint_slice
from trimtab.control.kube.kinds import SLICES
from trimtab.control.kube.line_buffer import LineBuffer
from trimtab.control.kube.messages import Event, Failure, Page, Unanswered, read_event, read_page
from trimtab.control.kube.reflector import News, Reflector
from trimtab.control.kubernetes import EndpointSlice


def versioned(item: Json, version: str) -> Json:
    return {**item, "metadata": {**item["metadata"], "resourceVersion": version}}


def part(name: str, version: str, *addresses: str) -> Json:
    return versioned(endpoint_slice(*(addresses or ("10.0.0.1",)), name=name), version)


def line(type_: str, item: Json) -> bytes:
    return encode({"type": type_, "object": item})


def event(type_: str, item: Json) -> Event:
    return read_event(SLICES, line(type_, item))


def bookmark(version: str, *, end: bool = False) -> Event:
    annotations = {"annotations": {"k8s.io/initial-events-end": "true"}} if end else {}
    return event("BOOKMARK", {"kind": "EndpointSlice", "metadata": {"resourceVersion": version, **annotations}})


def page(*items: Json, version: str = "100", more: str = "") -> Page:
    return read_page(SLICES, encode({"items": list(items), "metadata": {"resourceVersion": version, "continue": more}}))


def names(news: News | None) -> tuple[list[str], list[str]]:
    assert news is not None
    return [item.metadata.name for item in news.upserts], [key[2] for key in news.deletes]


def reflector(**more: Any) -> Reflector:
    return Reflector(random.Random(7), 100, **more)


def synced(*items: Json, version: str = "100") -> Reflector:
    mirror = reflector()
    mirror.ask()
    mirror.events([*(event("ADDED", item) for item in items), bookmark(version, end=True)])
    assert mirror.synced
    return mirror


def test_it_begins_with_a_stream_that_lists_first() -> None:
    asked = reflector().ask()
    assert asked.stream
    assert asked.query["sendInitialEvents"] == "true"
    assert asked.query["resourceVersionMatch"] == "NotOlderThan"
    # Neither cache nor past: the newest state there is.
    assert "resourceVersion" not in asked.query


def test_nothing_is_told_before_the_list_is_complete() -> None:
    mirror = reflector()
    mirror.ask()
    assert mirror.events([event("ADDED", part("a", "3"))]) is None
    assert not mirror.synced
    news = mirror.events([bookmark("50", end=True)])
    assert news is not None
    assert news.complete
    assert names(news) == (["a"], [])
    assert mirror.ask().query["resourceVersion"] == "50"


def test_an_ordinary_bookmark_does_not_complete_the_list() -> None:
    mirror = reflector()
    mirror.ask()
    assert mirror.events([event("ADDED", part("a", "3")), bookmark("50")]) is None
    assert not mirror.synced


@pytest.mark.parametrize("status", [400, 422])
def test_where_the_server_cannot_it_lists_in_pages(status: int) -> None:
    mirror = reflector()
    mirror.ask()
    assert mirror.failed(Failure("forbidden", status, "Invalid")) == 0.0
    assert dict(mirror.ask().query) == {"limit": "100"}
    assert mirror.page(page(part("a", "3"), more="token")) is None
    assert dict(mirror.ask().query) == {"limit": "100", "continue": "token"}
    assert names(mirror.page(page(part("b", "4")))) == (["a", "b"], [])
    assert mirror.ask().query["resourceVersion"] == "100"


def test_a_page_that_failed_is_asked_for_again_and_an_expired_list_starts_over() -> None:
    mirror = reflector()
    mirror.failed(Failure("", 422))
    mirror.page(page(part("a", "3"), more="token"))
    mirror.failed(Failure("", 500))
    assert mirror.ask().query["continue"] == "token"
    mirror.failed(Failure("", 410, "Expired"))
    assert "continue" not in mirror.ask().query
    assert names(mirror.page(page(part("b", "4")))) == (["b"], [])


def test_a_stream_that_breaks_off_while_listing_begins_anew() -> None:
    mirror = reflector()
    mirror.ask()
    mirror.events([event("ADDED", part("a", "3"))])
    mirror.failed(Failure("reset by peer"))
    assert "sendInitialEvents" in mirror.ask().query
    # What was gone when the second attempt began must not linger from the first.
    assert names(mirror.events([event("ADDED", part("b", "4")), bookmark("9", end=True)])) == (["b"], [])


def test_a_server_that_never_ends_the_list_is_asked_for_pages() -> None:
    mirror = reflector()
    asked = mirror.ask()
    mirror.events([event("ADDED", part("a", "3"))])
    mirror.ended(asked.timeout_s)
    assert "limit" in mirror.ask().query


def test_lost_history_costs_a_look_and_deletes_are_synthesised() -> None:
    mirror = synced(part("a", "3"), part("b", "4"))
    mirror.failed(Failure("too old", 410, "Expired"))
    assert {key[2] for key in mirror.objects} == {"a", "b"}
    assert "sendInitialEvents" in mirror.ask().query
    news = mirror.events([event("ADDED", part("b", "4")), event("ADDED", part("c", "8")), bookmark("109", end=True)])
    # b is as it was, and nothing is said of it.
    assert names(news) == (["c"], ["a"])


def test_what_cannot_be_read_stays_as_it_was_known_however_it_is_looked_at() -> None:
    """Another list must not do what the watch did not: what is there is not gone because it cannot be read."""
    broken = part("a", "108")
    broken["ports"][0]["port"] = 0
    mirror = synced(part("a", "3"), part("b", "4"))
    assert mirror.events([event("MODIFIED", broken)]) is None
    mirror.failed(Failure("too old", 410, "Expired"))
    mirror.ask()
    assert names(mirror.events([event("ADDED", broken), bookmark("109", end=True)])) == ([], ["b"])
    mirror.look_again()
    assert names(mirror.page(page(broken, part("b", "110"), version="110"))) == (["b"], [])
    # Unless it goes.
    mirror.look_again()
    assert names(mirror.page(page(part("b", "110"), version="120"))) == ([], ["a"])
    mirror.failed(Failure("too old", 410, "Expired"))
    mirror.ask()
    gone = [event("ADDED", broken), event("DELETED", versioned(broken, "121")), bookmark("122", end=True)]
    assert names(mirror.events(gone)) == ([], ["b"])


def test_what_is_no_object_at_all_costs_itself_alone() -> None:
    found = page({"metadata": None}, part("a", "3"))
    assert [item.metadata.name for item in found.items] == ["a"]
    assert [unusable.key for unusable in found.unusable] == [None]


def test_an_error_event_is_the_failure_it_tells_of() -> None:
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 1 (2)"}
    with pytest.raises(Unanswered) as raised:
        event("ERROR", status)
    assert raised.value.failure == Failure("too old resource version: 1 (2)", 410, "Expired")
    assert raised.value.failure.expired


def test_a_version_from_the_future_is_a_lost_thread_too() -> None:
    status = {"code": 504, "reason": "Timeout", "details": {"causes": [{"reason": "ResourceVersionTooLarge"}]}}
    with pytest.raises(Unanswered) as raised:
        event("ERROR", status)
    mirror = synced(part("a", "300"), version="300")
    mirror.failed(raised.value.failure)
    mirror.ask()
    news = mirror.events([event("ADDED", part("a", "20", "10.0.0.2")), bookmark("30", end=True)])
    assert names(news) == (["a"], [])
    assert mirror.ask().query["resourceVersion"] == "30"


def test_a_watch_that_says_nothing_is_followed_by_the_question_where_the_server_is() -> None:
    """One that was restored from a backup accepts a watch from its future, and is silent until it gets there."""
    mirror = synced(part("a", "300"), version="300")
    for answer in ("300", "310"):
        assert mirror.ask().query["resourceVersion"] == "300"
        assert mirror.ended(90.0) == 0.0
        asked = mirror.ask()
        assert (dict(asked.query), asked.stream, mirror.following) == ({"limit": "1"}, False, False)
        # There is more than this one.
        assert mirror.page(page(part("a", "300"), version=answer, more="token")) is None
    mirror.ask()
    mirror.ended(90.0)
    mirror.ask()
    mirror.failed(Failure("busy", 503))
    assert mirror.ask().query["resourceVersion"] == "300"
    mirror.ended(90.0)
    mirror.ask()
    mirror.page(page(part("a", "20"), version="30", more="token"))
    assert "sendInitialEvents" in mirror.ask().query
    news = mirror.events([event("ADDED", part("a", "20", "10.0.0.2")), bookmark("30", end=True)])
    assert names(news) == (["a"], [])
    assert mirror.ask().query["resourceVersion"] == "30"


def test_a_watch_that_says_something_or_breaks_off_is_followed_by_the_next() -> None:
    mirror = synced(version="300")
    mirror.ask()
    mirror.events([bookmark("301")])
    mirror.ended(90.0)
    assert mirror.ask().query["resourceVersion"] == "301"
    mirror.ended(10.0)
    assert mirror.ask().query["resourceVersion"] == "301"
    mirror.failed(Failure("reset by peer"))
    assert mirror.ask().query["resourceVersion"] == "301"


def test_a_server_is_asked_where_it_is_though_what_is_silent_is_cut() -> None:
    """As load balancers do, long before a watch would have ended."""
    mirror = synced(part("a", "300"), version="300")
    for _ in range(2):
        assert mirror.ask().query["resourceVersion"] == "300"
        mirror.failed(Failure("reset by peer"))
        assert mirror.ask().query["resourceVersion"] == "300"
        mirror.ended(30.0)
        # One that says something in between begins the count anew.
        mirror.ask()
        mirror.events([bookmark("300")])
        mirror.failed(Failure("reset by peer"))
    for _ in range(3):
        assert mirror.ask().query["resourceVersion"] == "300"
        mirror.failed(Failure("reset by peer"))
    assert dict(mirror.ask().query) == {"limit": "1"}
    mirror.page(page(part("a", "20"), version="30", more="token"))
    assert "sendInitialEvents" in mirror.ask().query


def test_a_server_that_ends_every_watch_at_once_is_left_alone_for_longer_and_longer() -> None:
    mirror = synced(version="300")
    for _ in range(20):
        if mirror.ask().stream:
            delay_s = mirror.ended(0.1)
        else:
            mirror.page(page(part("a", "300"), version="300"))
    assert delay_s >= 7.5


def test_a_watch_goes_on_where_it_was() -> None:
    mirror = synced(version="100")
    mirror.ask()
    mirror.events([event("ADDED", part("a", "105"))])
    assert mirror.ended(90.0) == 0.0
    assert mirror.ask().query["resourceVersion"] == "105"
    mirror.events([bookmark("230")])
    mirror.failed(Failure("reset by peer"))
    assert mirror.ask().query["resourceVersion"] == "230"


def test_versions_that_are_no_numbers_are_handed_back_as_they_came() -> None:
    mirror = synced(version="v-q7")
    assert mirror.ask().query["resourceVersion"] == "v-q7"
    assert names(mirror.events([event("ADDED", part("a", "v-a1"))])) == (["a"], [])
    assert mirror.ask().query["resourceVersion"] == "v-a1"


def test_what_is_older_than_what_was_seen_is_a_replay() -> None:
    mirror = synced(part("a", "90", "10.0.0.9"), version="100")
    assert mirror.events([event("MODIFIED", part("a", "80")), event("DELETED", part("a", "99"))]) is None
    assert mirror.ask().query["resourceVersion"] == "100"
    assert names(mirror.events([event("DELETED", part("a", "101"))])) == ([], ["a"])


def test_the_same_version_twice_is_said_once() -> None:
    mirror = synced(version="100")
    assert names(mirror.events([event("ADDED", part("a", "101"))])) == (["a"], [])
    assert mirror.events([event("MODIFIED", part("a", "101"))]) is None


def test_what_a_list_holds_comes_in_the_order_of_change() -> None:
    """Where two slices name an endpoint the newer one is right, on every replica, however it came to know them."""
    mirror = reflector()
    mirror.ask()
    news = mirror.events([event("ADDED", part("a", "20")), event("ADDED", part("b", "9")), bookmark("30", end=True)])
    assert names(news)[0] == ["b", "a"]


def test_delays_grow_and_an_answer_makes_them_short_again() -> None:
    mirror = synced()
    delays = [mirror.failed(Failure("refused")) for _ in range(12)]
    assert delays[0] <= 0.2
    assert 7.5 <= delays[-1] <= 15.0
    mirror.ask()
    mirror.events([bookmark("101")])
    assert mirror.failed(Failure("refused")) <= 0.2


def test_the_server_says_how_long_to_wait() -> None:
    assert synced().failed(Failure("slow down", 429, retry_after_s=7.0)) == 7.0


def test_a_refused_token_is_tried_again_at_once_but_only_once() -> None:
    mirror = synced()
    assert mirror.failed(Failure("", 401)) == 0.0
    assert mirror.failed(Failure("", 401)) > 0.0


def test_a_watch_that_is_refused_again_and_again_ends_in_a_look() -> None:
    mirror = synced()
    for _ in range(3):
        assert "sendInitialEvents" not in mirror.ask().query
        mirror.failed(Failure("internal", 500))
    assert "sendInitialEvents" in mirror.ask().query


@pytest.mark.parametrize("failure", [Failure("internal", 500), Failure("not yet", 504, "ResourceVersionTooLarge")])
def test_a_list_that_is_no_stream_is_the_way_out_where_every_stream_is_refused(failure: Failure) -> None:
    """A watch cache that lags behind etcd for good refuses each of them, after some seconds."""
    mirror = reflector()
    for _ in range(3):
        assert "sendInitialEvents" in mirror.ask().query
        mirror.failed(failure)
    assert dict(mirror.ask().query) == {"limit": "100"}
    mirror.page(page(part("a", "3")))
    # It may have caught up by the next time.
    mirror.failed(Failure("too old", 410, "Expired"))
    assert "sendInitialEvents" in mirror.ask().query


def test_an_overloaded_server_is_not_asked_for_everything() -> None:
    mirror = synced()
    for status in (429, 503, None, 429, 503, None):
        mirror.failed(Failure("busy", status))
    assert mirror.ask().query["resourceVersion"] == "100"


BUSY = Failure("busy", 429)


def blank(refusals: int = 8) -> Reflector:
    """Knows nothing, and is refused every look."""
    mirror = reflector()
    for _ in range(refusals):
        assert "resourceVersion" not in mirror.ask().query
        mirror.failed(BUSY)
    return mirror


def test_who_knows_nothing_and_is_refused_for_long_takes_what_a_cache_has() -> None:
    mirror = blank()
    asked = mirror.ask()
    assert dict(asked.query) == {"resourceVersion": "0", "resourceVersionMatch": "NotOlderThan"}
    assert not asked.stream
    news = mirror.page(page(part("b", "4"), part("a", "3"), version="50"))
    assert names(news) == (["a", "b"], [])
    assert news is not None
    assert not news.complete
    assert (mirror.synced, mirror.unconfirmed, mirror.reached, mirror.newest) == (False, True, 50, 4)
    # From there on a watch tells the rest, deletions included.
    assert mirror.ask().query["resourceVersion"] == "50"
    assert names(mirror.events([event("DELETED", part("a", "51"))])) == ([], ["a"])


def test_a_look_is_asked_for_after_every_watch_and_corrects_what_the_cache_said() -> None:
    mirror = blank()
    mirror.page(page(part("a", "3"), part("b", "4"), version="50"))
    for failure in (None, Failure("cut", None), BUSY):
        assert mirror.ask().query["resourceVersion"] == "50"
        if failure is None:
            mirror.ended(90.0)
        else:
            mirror.failed(failure)
        assert "sendInitialEvents" in mirror.ask().query
        # Refused again: back to the watch at once, so that nothing is missed.
        mirror.failed(BUSY)
    mirror.ask()
    mirror.ended(90.0)
    mirror.ask()
    news = mirror.events([event("ADDED", part("b", "4")), bookmark("60", end=True)])
    assert names(news) == ([], ["a"])
    assert news is not None
    assert news.complete
    assert (mirror.synced, mirror.unconfirmed) == (True, False)


def test_a_cache_that_lags_behind_what_is_known_adds_and_takes_nothing_back() -> None:
    mirror = blank()
    mirror.page(page(part("a", "3", "10.0.0.1"), version="50"))
    mirror.events([event("MODIFIED", part("a", "55", "10.0.0.5"))])
    mirror.failed(Failure("gone", 410, "Expired"))
    for _ in range(8):
        assert "resourceVersion" not in mirror.ask().query
        mirror.failed(BUSY)
    assert mirror.ask().query["resourceVersion"] == "0"
    assert mirror.page(page(part("a", "3", "10.0.0.1"), version="54")) is None
    for _ in range(8):
        assert dict(mirror.ask().query) == {"limit": "100"}
        mirror.failed(BUSY)
    # `a` is missing there, and stays: only a look at what there is now can say that it is gone.
    assert mirror.ask().query["resourceVersion"] == "0"
    assert names(mirror.page(page(part("b", "57"), version="58"))) == (["b"], [])
    assert sorted(key[2] for key in mirror.objects) == ["a", "b"]


@pytest.mark.parametrize("version", ["", "0"])
def test_a_cache_that_was_not_filled_yet_says_nothing(version: str) -> None:
    mirror = blank()
    mirror.ask()
    assert mirror.page(page(version=version)) is None
    assert not mirror.unconfirmed
    assert dict(mirror.ask().query) == {"limit": "100"}


def test_a_cache_that_refuses_too_is_asked_in_turn_with_the_server() -> None:
    mirror = blank()
    for _ in range(3):
        assert mirror.ask().query["resourceVersion"] == "0"
        mirror.failed(BUSY)
        assert dict(mirror.ask().query) == {"limit": "100"}
        mirror.failed(BUSY)


def test_who_knows_something_waits_and_is_given_nothing_from_a_cache() -> None:
    (upsert,) = [event("ADDED", part("a", "3"))]
    saved = reflector(known=[upsert.item])  # type: ignore[union-attr]
    looked = synced(part("a", "3"))
    looked.failed(Failure("gone", 410, "Expired"))
    for mirror in (saved, looked):
        for _ in range(30):
            assert "resourceVersion" not in mirror.ask().query
            mirror.failed(BUSY)


def test_a_second_look_is_never_taken_from_a_cache() -> None:
    mirror = blank()
    mirror.page(page(part("a", "3"), version="50"))
    mirror.look_again()
    assert dict(mirror.ask().query) == {"limit": "100"}
    mirror.failed(BUSY)
    assert mirror.ask().query["resourceVersion"] == "50"


def test_a_watch_that_ends_at_once_and_says_nothing_is_not_hammered() -> None:
    mirror = synced()
    delays = []
    for _ in range(10):
        mirror.ask()
        delays.append(mirror.ended(0.01))
    assert sum(delays) > 5.0


def test_a_second_look_is_a_consistent_list() -> None:
    mirror = synced(part("a", "3"), part("b", "4"))
    mirror.look_again()
    # No resourceVersion: from etcd, or as good as. No stream: that may come from a cache.
    assert dict(mirror.ask().query) == {"limit": "100"}
    assert names(mirror.page(page(part("a", "3")))) == ([], ["b"])
    mirror.failed(Failure("", 410))
    assert "sendInitialEvents" in mirror.ask().query


def test_what_an_earlier_life_knew_counts_as_known() -> None:
    (upsert,) = [event("ADDED", part(name, "3")) for name in ("a",)]
    known = [upsert.item]  # type: ignore[union-attr]
    mirror = reflector(known=known)
    mirror.ask()
    news = mirror.events([event("ADDED", part("b", "4")), bookmark("9", end=True)])
    assert names(news) == (["b"], ["a"])


def test_a_stream_may_be_cut_at_every_byte() -> None:
    """Whatever of a line has come when the connection breaks is no event; the next watch brings all of it."""
    items = [("ADDED", part("a", "101")), ("MODIFIED", part("a", "102", "10.0.0.2")), ("DELETED", part("a", "103"))]
    text = b"".join(line(*item) + b"\n" for item in items)
    for cut in range(len(text)):
        mirror, buffer = synced(), LineBuffer()
        mirror.ask()
        mirror.events([read_event(SLICES, found) for found in buffer.feed(text[:cut])])
        mirror.failed(Failure("reset by peer"))
        seen = int(mirror.ask().query["resourceVersion"])
        complete = text[:cut].count(b"\n")
        assert seen == 100 + complete
        rest = b"".join(line(*item) + b"\n" for item in items[complete:])
        mirror.events([read_event(SLICES, found) for found in LineBuffer().feed(rest)])
        assert mirror.objects == {}
        assert mirror.ask().query["resourceVersion"] == "103"


def test_lines_come_together_however_they_are_chunked() -> None:
    text = b'{"a":1}\n\n{"b":2}\n{"c"'
    for size in range(1, len(text)):
        buffer = LineBuffer()
        chunks = [text[start : start + size] for start in range(0, len(text), size)]
        assert [found for chunk in chunks for found in buffer.feed(chunk)] == [b'{"a":1}', b'{"b":2}']


def test_its_repr_says_where_it_is() -> None:
    assert repr(synced(part("a", "3"))) == "<Reflector Watch at 100, 1 objects>"


def test_objects_keep_only_what_is_used() -> None:
    mirror = synced({**part("a", "3"), "extra": {"much": "more"}})
    (item,) = mirror.objects.values()
    assert isinstance(item, EndpointSlice)
    assert not hasattr(item, "extra")


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"type":"ADDED"}', b'"x"'])
def test_a_line_that_is_no_event_is_a_failure(text: bytes) -> None:
    with pytest.raises(Unanswered):
        read_event(SLICES, text)


@pytest.mark.parametrize("text", [b"", b"<html>", b'{"items": 3}'])
def test_a_list_that_is_none_is_a_failure(text: bytes) -> None:
    with pytest.raises(Unanswered):
        read_page(SLICES, text)
