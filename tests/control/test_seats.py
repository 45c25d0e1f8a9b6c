"""Who of a service's clients is which: seats stay, are filled from below, and survive reconnects."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.control.seats import Seats
from trimtab.errors import ProtocolError
from trimtab.model import Seat
from trimtab.xds.seat import decode_held, decode_seat, encode_held, encode_seat
from trimtab.xds.wire import text

PLACE = ("payments.prod:8080", "eu-a")
SERVICE = PLACE[0]


def warm() -> Seats:
    made = Seats()
    made.warm(lambda service: (1, 0))
    return made


def seats(*clients: str) -> Seats:
    made = warm()
    for client in clients:
        made.take(PLACE, client, None)
    return made


def index(of: Seats, client: str) -> int:
    seat = of.of(PLACE, client)
    assert seat is not None
    return seat.index


def test_clients_take_seats_in_the_order_they_come() -> None:
    made = seats("a", "b", "c")
    assert [index(made, client) for client in "abc"] == [0, 1, 2]
    assert made.of(PLACE, "d") is None


def test_whoever_comes_takes_the_lowest_empty_one_and_nobody_else_moves() -> None:
    made = seats("a", "b", "c")
    assert list(made.leave(PLACE, "b")) == []
    made.take(PLACE, "d", None)
    assert [index(made, client) for client in "adc"] == [0, 1, 2]


def test_who_comes_back_has_its_old_seat_unless_somebody_sits_there() -> None:
    made = seats("a")
    made.take(PLACE, "c", 2)
    made.take(PLACE, "b", None)
    made.take(PLACE, "late", 1)
    assert [index(made, client) for client in ("a", "b", "c", "late")] == [0, 1, 2, 3]


def test_after_a_restart_those_who_had_seats_have_them_before_others_come() -> None:
    made = Seats()
    made.take(PLACE, "new", None)
    made.take(PLACE, "gone", None)
    list(made.leave(PLACE, "gone"))
    made.take(PLACE, "a", 0)
    made.take(PLACE, "b", 1)
    assert made.of(PLACE, "a") is None, "how many clients there are is not known yet"
    assert list(made.warm(lambda service: (1, 0))) == [(SERVICE, "a"), (SERVICE, "b"), (SERVICE, "new")]
    assert [index(made, client) for client in ("a", "b", "new")] == [0, 1, 2]


def test_a_client_with_two_streams_leaves_with_the_second() -> None:
    made = seats("a", "a", "b")
    assert list(made.leave(PLACE, "a")) == []
    assert index(made, "a") == 0
    assert list(made.leave(PLACE, "a")) == []
    assert made.of(PLACE, "a") is None


def test_clients_of_another_zone_have_seats_of_their_own_elsewhere_on_the_ring() -> None:
    made = seats("a")
    made.take((SERVICE, "eu-b"), "b", None)
    made.count(SERVICE, 2)
    first, second = made.of(PLACE, "a"), made.of((SERVICE, "eu-b"), "b")
    assert first is not None and second is not None
    assert (first.index, second.index, first.clients, second.clients) == (0, 0, 2, 2)
    assert first.position != second.position


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=200))
def test_seats_are_distinct_and_few_are_empty_whatever_comes_and_goes(events: list[tuple[bool, int]]) -> None:
    made = warm()
    present: set[str] = set()
    for comes, number in events:
        client = f"client-{number}"
        before = {other: index(made, other) for other in present}
        if comes and client not in present:
            present.add(client)
            made.take(PLACE, client, None)
            moved: list[str] = []
        elif not comes and client in present:
            present.remove(client)
            moved = list(made.leave(PLACE, client))
        else:
            continue
        taken = [index(made, other) for other in present]
        assert len(set(taken)) == len(taken)
        assert max(taken, default=0) + 1 - len(taken) <= max(1, len(taken) // 32)
        assert len(moved) <= 1
        assert {o: i for o, i in before.items() if o in present and index(made, o) != i}.keys() == set(moved)


def test_replicas_fill_seats_in_turn() -> None:
    first, second = warm(), warm()
    for number in range(10):
        first.take(PLACE, f"a{number}", None, 2, 0)
        second.take(PLACE, f"b{number}", None, 2, 1)
    assert [index(first, f"a{number}") for number in range(3)] == [0, 2, 4]
    assert [index(second, f"b{number}") for number in range(3)] == [1, 3, 5]
    leavers = [f"a{number}" for number in range(5)]
    random.Random(1).shuffle(leavers)
    for leaver in leavers:
        list(first.leave(PLACE, leaver, 2, 0))
    assert max(index(first, f"a{number}") for number in range(5, 10)) <= 12


def test_the_number_of_clients_is_told_anew_only_when_it_is_off() -> None:
    made = seats("a")
    assert made.count(SERVICE, 80)
    assert not any(made.count(SERVICE, number) for number in (81, 90, 70))
    assert made.count(SERVICE, 91)
    assert made.of(PLACE, "a") == Seat.among("eu-a", 0, 91)
    assert list(made.clients(SERVICE)) == ["a"]


def test_a_seat_crosses_the_wire() -> None:
    seat = Seat.among("eu-a", 7, 91)
    assert decode_seat(text(1, SERVICE) + encode_seat(seat).body) == (SERVICE, seat)
    assert encode_seat(seat).version != encode_seat(Seat.among("eu-a", 8, 91)).version
    with pytest.raises(ProtocolError):
        decode_seat(b"\xff")


def test_held_seats_cross_the_wire_in_the_metadata_of_a_node() -> None:
    held = encode_held({"payments.prod:8080": Seat(7, 91), "shop/shard=7": Seat(0, 3)})
    assert decode_held(held) == {"payments.prod:8080": 7, "shop/shard=7": 0}
    assert decode_held("x y= =3 z=-1 w=²") == {}
    assert decode_held(f"x={'9' * 5_000} y=7") == {"y": 7}
