from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from trimtab.balance.zone_weights import QUANTA, quantised
from trimtab.control.census import Census

SERVICE = "payments.prod:8080"


def census(zones: Iterable[str]) -> Census:
    taken = Census()
    for zone in zones:
        taken.joined(SERVICE, zone)
    taken.warm()
    return taken


def test_nothing_is_published_before_the_clients_had_time_to_connect() -> None:
    taken = Census()
    assert not any(taken.joined(SERVICE, zone) for zone in "abc" * 10)
    assert taken.shares(SERVICE) is None
    assert taken.warm() == {SERVICE}
    assert taken.shares(SERVICE) == {"a": 20, "b": 20, "c": 20}


def test_nothing_is_known_of_a_service_without_clients() -> None:
    assert Census().shares(SERVICE) is None


def test_shares_of_even_zones_are_exact() -> None:
    assert census("abc" * 10).shares(SERVICE) == {"a": 20, "b": 20, "c": 20}


def test_one_client_connecting_to_a_settled_fleet_re_pushes_nobody() -> None:
    for clients in (6, 9, 30, 300):
        taken = census("abc" * (clients // 3))
        assert taken.shares(SERVICE) == {"a": 20, "b": 20, "c": 20}
        assert not taken.joined(SERVICE, "a")
        assert not taken.left(SERVICE, "b")


def test_one_client_per_zone_is_enough_to_know_the_shares() -> None:
    assert census("abc").shares(SERVICE) == {"a": 20, "b": 20, "c": 20}


def test_a_fleet_that_moves_is_noticed() -> None:
    taken = census("abc" * 10)
    changes = [taken.joined(SERVICE, "a") for _ in range(10)]
    assert any(changes)
    shares = taken.shares(SERVICE)
    assert shares is not None
    assert shares["a"] > shares["b"] == shares["c"]


def test_clients_of_unknown_zone_are_counted_but_weigh_nothing() -> None:
    taken = census(["a", "a", "b", "b", "", ""])
    assert taken.counts(SERVICE) == {"a": 2, "b": 2, "": 2}
    assert set(taken.shares(SERVICE) or ()) == {"a", "b"}


def test_replicas_that_see_almost_the_same_clients_publish_the_same_shares() -> None:
    assert quantised({"a": 100, "b": 100, "c": 100}) == quantised({"a": 101, "b": 100, "c": 100})


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 500), min_size=1))
def test_shares_add_up_and_follow_the_counts(counts: dict[str, int]) -> None:
    shares = quantised(counts)
    assert sum(shares.values()) >= QUANTA
    assert sum(shares.values()) <= QUANTA + len(counts)
    total = sum(counts.values())
    assert all(shares[zone] >= 1 for zone in counts)
    assert all(abs(shares[zone] / QUANTA - count / total) < len(counts) / QUANTA for zone, count in counts.items())


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), max_size=80))
def test_the_published_shares_stay_near_the_truth(events: list[tuple[bool, str]]) -> None:
    taken = census(())
    present: list[str] = []
    for joins, zone in events:
        if joins:
            present.append(zone)
            taken.joined(SERVICE, zone)
        elif zone in present:
            present.remove(zone)
            taken.left(SERVICE, zone)
        shares = taken.shares(SERVICE)
        if shares and present:
            slack = max(1.0, 0.05 * len(present)) + 0.02 * len(present) + 1e-9
            scale = len(present) / sum(shares.values())
            assert all(abs(present.count(z) - shares.get(z, 0) * scale) <= slack for z in "abc")


def test_counts_that_were_asked_for_stay_as_they_were() -> None:
    taken = census("aab")
    counts = taken.counts(SERVICE)
    taken.joined(SERVICE, "c")
    assert counts == {"a": 2, "b": 1}
    assert taken.clients(SERVICE) == 4
    assert taken.clients("other") == 0
