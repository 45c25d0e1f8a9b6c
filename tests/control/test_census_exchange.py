"""Replicas of the control plane that count together, without a network."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from trimtab.control import census as census_module
from trimtab.control.census import Census
from trimtab.xds.service_census import decode_census, encode_census
from trimtab.xds.wire import text

PAYMENTS = "payments.prod:8080"


def replicas(count: int, *, warm: bool = True) -> Sequence[Census]:
    """Replicas in the order in which they started."""
    made = [Census(f"replica-{index}") for index in range(count)]
    for replica in made if warm else ():
        replica.warm()
    return made


def tell(speaker: Census, listener: Census, service: str = PAYMENTS) -> bool:
    """One replica tells another all it knows of a service. True: that changed what the other one publishes."""
    said = speaker.told(service)
    if said is not None:
        _, said = decode_census(text(1, service) + encode_census(said).body)
    return listener.heard(speaker.replica, service, said)


def exchange(*replicas: Census) -> None:
    """Everybody tells everybody until nobody has anything new to say."""
    for _ in range(3):
        for speaker in replicas:
            for listener in replicas:
                if speaker is not listener:
                    tell(speaker, listener)


def test_each_replica_knows_the_sum() -> None:
    one, two = replicas(2)
    for zone in "aab":
        one.joined(PAYMENTS, zone)
    for zone in ("b", ""):
        two.joined(PAYMENTS, zone)
    exchange(one, two)
    assert dict(one.counts(PAYMENTS)) == dict(two.counts(PAYMENTS)) == {"a": 2, "b": 2, "": 1}
    assert one.shares(PAYMENTS) == two.shares(PAYMENTS) == {"a": 30, "b": 30}


def test_a_replica_is_told_what_others_count_themselves_not_what_they_heard() -> None:
    one, two = replicas(2)
    one.joined(PAYMENTS, "a")
    exchange(one, two)
    told = two.told(PAYMENTS)
    assert told is not None
    assert told.clients == {}


def test_a_replica_that_is_forgotten_counts_no_more() -> None:
    one, two = replicas(2)
    one.joined(PAYMENTS, "a")
    two.joined(PAYMENTS, "b")
    exchange(one, two)
    assert one.heard_from(two.replica) == [PAYMENTS]
    one.heard(two.replica, PAYMENTS, None)
    assert one.heard_from(two.replica) == []
    assert one.counts(PAYMENTS) == {"a": 1}


def test_replicas_with_another_past_publish_the_same() -> None:
    one, two = replicas(2)
    for zone in "abc" * 10:
        one.joined(PAYMENTS, zone)
    one.joined(PAYMENTS, "a")
    two.joined(PAYMENTS, "a")
    assert one.shares(PAYMENTS) != two.shares(PAYMENTS)
    exchange(one, two)
    assert one.shares(PAYMENTS) == two.shares(PAYMENTS) == {"a": 20, "b": 20, "c": 20}


def test_a_replica_that_has_just_started_publishes_what_the_others_do() -> None:
    one, two = replicas(2, warm=False)
    one.warm()
    for zone in "ab":
        one.joined(PAYMENTS, zone)
    two.joined(PAYMENTS, "a")
    assert two.shares(PAYMENTS) is None
    assert tell(one, two)
    assert two.shares(PAYMENTS) == one.shares(PAYMENTS)


def test_when_the_one_that_decides_is_gone_the_next_goes_on_from_where_it_was() -> None:
    one, two, three = replicas(3)
    for zone in "abc" * 10:
        one.joined(PAYMENTS, zone)
        two.joined(PAYMENTS, zone)
    exchange(one, two, three)
    before = two.shares(PAYMENTS)
    assert not two.heard(one.replica, PAYMENTS, None)
    assert not three.heard(one.replica, PAYMENTS, None)
    for _ in range(20):
        two.joined(PAYMENTS, "a")
    exchange(two, three)
    assert before != two.shares(PAYMENTS) == three.shares(PAYMENTS)


def test_a_service_without_clients_anywhere_is_not_told_of_and_its_shares_are_kept_for_a_while() -> None:
    one, two = replicas(2)
    one.joined(PAYMENTS, "a")
    two.joined(PAYMENTS, "b")
    exchange(one, two)
    one.left(PAYMENTS, "a")
    two.left(PAYMENTS, "b")
    exchange(one, two)
    assert one.told(PAYMENTS) is two.told(PAYMENTS) is None
    assert list(one.services()) == list(two.services()) == []
    assert one.shares(PAYMENTS) == two.shares(PAYMENTS) == {"a": 60}


def test_what_nobody_asks_for_any_more_is_forgotten_in_the_end() -> None:
    (taken,) = replicas(1)
    for index in range(census_module._ABANDONED + 1):
        taken.joined(f"s{index}.prod:80", "a")
        taken.left(f"s{index}.prod:80", "a")
    assert taken.shares("s0.prod:80") is None
    assert taken.shares(f"s{census_module._ABANDONED}.prod:80") == {"a": 60}


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("joins"), st.integers(0, 2), st.sampled_from("abc")),
            st.tuples(st.just("leaves"), st.integers(0, 2), st.sampled_from("abc")),
            st.tuples(st.just("tells"), st.integers(0, 2), st.sampled_from("abc")),
            st.tuples(st.just("warms"), st.integers(0, 2), st.just("")),
        ),
        max_size=60,
    )
)
def test_whatever_happened_replicas_that_told_each_other_agree(events: list[tuple[str, int, str]]) -> None:
    everybody = replicas(3, warm=False)
    for event, index, argument in events:
        replica = everybody[index]
        if event == "joins":
            replica.joined(PAYMENTS, argument)
        elif event == "leaves":
            told = replica.told(PAYMENTS)
            if told is not None and told.clients.get(argument):
                replica.left(PAYMENTS, argument)
        elif event == "tells":
            listener = everybody["abc".index(argument)]
            if listener is not replica:
                tell(replica, listener)
        else:
            replica.warm()
    exchange(*everybody)
    first = everybody[0]
    for other in everybody[1:]:
        assert other.counts(PAYMENTS) == first.counts(PAYMENTS)
        if first.counts(PAYMENTS):
            assert other.shares(PAYMENTS) == first.shares(PAYMENTS)
