import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.control.gate import Passed, Refused, gate
from trimtab.model import Assignment, Endpoint, Health, Locality, LocalityEndpoints
from trimtab.xds.assignment import decode_assignment, encode_body
from trimtab.xds.wire import text

A, B = Locality("eu", "a"), Locality("eu", "b")
ONE, TWO = Endpoint("10.0.0.1", 80), Endpoint("10.0.0.2", 80)


def passed(*groups: LocalityEndpoints) -> Passed:
    verdict = gate(Assignment("payments.prod:80", groups))
    assert isinstance(verdict, Passed)
    return verdict


def test_what_is_fine_passes_untouched() -> None:
    groups = (LocalityEndpoints(A, (ONE,)), LocalityEndpoints(B, (TWO,), weight=3))
    verdict = passed(*groups)
    assert verdict.assignment.localities == groups
    assert verdict.repairs == ()


def test_an_empty_assignment_passes_for_it_is_a_statement() -> None:
    assert passed() == Passed(Assignment("payments.prod:80"))


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (Endpoint("pod-1.example", 80), "not an IP address"),
        (Endpoint("10.0.0.9", 0), "port not between"),
        (Endpoint("10.0.0.9", 80, weight=0), "weight 0"),
        (Endpoint("10.0.0.9", 80, weight=2**32), "weight 4294967296"),
    ],
)
def test_an_endpoint_a_client_would_refuse_is_dropped(bad: Endpoint, says: str) -> None:
    verdict = passed(LocalityEndpoints(A, (ONE, bad)))
    assert verdict.assignment.localities == (LocalityEndpoints(A, (ONE,)),)
    assert says in verdict.repairs[0]


def test_when_nothing_is_left_the_last_good_one_stays() -> None:
    verdict = gate(Assignment("payments.prod:80", (LocalityEndpoints(A, (Endpoint("pod-1", 80),)),)))
    assert isinstance(verdict, Refused)
    assert "all 1 endpoints are invalid: dropped pod-1:80: not an IP address" in verdict.reason


def test_an_address_listed_twice_keeps_its_healthiest_entry() -> None:
    draining = Endpoint("10.0.0.1", 80, Health.DRAINING)
    verdict = passed(LocalityEndpoints(A, (draining, TWO)), LocalityEndpoints(B, (ONE,)))
    assert verdict.assignment.localities == (LocalityEndpoints(A, (TWO,)), LocalityEndpoints(B, (ONE,)))
    assert verdict.repairs == ("dropped 10.0.0.1:80: listed twice",)


def test_an_address_in_two_priorities_keeps_the_first() -> None:
    verdict = passed(
        LocalityEndpoints(A, (ONE,), priority=1), LocalityEndpoints(B, (Endpoint("10.0.0.1", 80, uid="x"),))
    )
    assert [(g.locality, g.priority) for g in verdict.assignment.localities] == [(B, 0)]


def test_the_very_same_endpoint_in_two_localities_is_kept_once() -> None:
    verdict = passed(LocalityEndpoints(A, (ONE,)), LocalityEndpoints(B, (ONE, TWO)))
    assert verdict.assignment.localities == (LocalityEndpoints(A, (ONE,)), LocalityEndpoints(B, (TWO,)))


@pytest.mark.parametrize("same", ["FD00::1", "fd00:0:0::1"])
def test_an_ipv6_address_written_in_two_ways_is_one_address(same: str) -> None:
    verdict = passed(LocalityEndpoints(A, (Endpoint("fd00::1", 80), Endpoint(same, 80))))
    assert len(verdict.assignment.localities[0].endpoints) == 1


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("pod-1.example", "dropped pod-1.example of 10.0.0.1:80: not an IP address"),
        ("fe80::1%eth0", "dropped fe80::1%eth0 of 10.0.0.1:80: not an IP address"),
        ("10.0.0.2", "dropped 10.0.0.2 of 10.0.0.1:80: listed twice"),
        ("10.0.0.1", "dropped 10.0.0.1 of 10.0.0.1:80: listed twice"),
        ("FD00::1", "dropped FD00::1 of 10.0.0.1:80: listed twice"),
    ],
)
def test_an_additional_address_a_client_would_refuse_is_dropped(bad: str, says: str) -> None:
    dual = Endpoint("10.0.0.1", 80, additional_addresses=("fd00::1", bad))
    verdict = passed(LocalityEndpoints(A, (dual, TWO)))
    assert verdict.assignment.localities[0].endpoints[0].additional_addresses == ("fd00::1",)
    assert verdict.repairs == (says,)


def test_a_gap_in_the_priorities_is_closed() -> None:
    verdict = passed(LocalityEndpoints(A, (ONE,)), LocalityEndpoints(B, (TWO,), priority=2))
    assert [group.priority for group in verdict.assignment.localities] == [0, 1]
    assert verdict.repairs == ("renumbered priorities 0, 2 without gaps",)


def test_a_locality_listed_twice_is_merged() -> None:
    verdict = passed(LocalityEndpoints(A, (ONE,), weight=1), LocalityEndpoints(A, (TWO,), weight=2))
    assert verdict.assignment.localities == (LocalityEndpoints(A, (ONE, TWO), weight=3),)


def test_a_locality_without_weight_gets_one() -> None:
    # gRPC accepts it and then drops the locality without a word.
    assert passed(LocalityEndpoints(A, (ONE,), weight=0)).assignment.localities[0].weight == 1


def test_weights_fit_into_32_bits_together() -> None:
    verdict = passed(LocalityEndpoints(A, (ONE,), weight=2**32 - 1), LocalityEndpoints(B, (TWO,), weight=2**31))
    first, second = (group.weight for group in verdict.assignment.localities)
    assert first + second < 2**32
    assert first / second == pytest.approx(2, rel=1e-6)


messy_endpoints = st.builds(
    Endpoint,
    address=st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1", "FD00::1", "pod-1", ""]),
    additional_addresses=st.lists(st.sampled_from(["10.0.0.2", "fd00::1", "fd00::2", "pod-2"]), max_size=2).map(tuple),
    port=st.sampled_from([80, 81, 0, 70_000]),
    health=st.sampled_from(Health),
    weight=st.sampled_from([1, 5, 0, 2**32]),
)
messy_groups = st.builds(
    LocalityEndpoints,
    locality=st.sampled_from([A, B, Locality()]),
    endpoints=st.lists(messy_endpoints, max_size=4).map(tuple),
    weight=st.sampled_from([0, 1, 7, 2**31, 2**32]),
    priority=st.sampled_from([0, 1, 3]),
)

tidy_groups = st.builds(
    LocalityEndpoints,
    locality=st.sampled_from([A, B]),
    endpoints=st.lists(st.builds(Endpoint, address=st.sampled_from(["10.0.0.1", "10.0.0.2"]), port=st.just(80))).map(
        tuple
    ),
    weight=st.integers(1, 3),
)


@given(st.lists(messy_groups, max_size=5))
def test_whatever_goes_in_what_comes_out_is_accepted_by_our_own_client(groups: list[LocalityEndpoints]) -> None:
    verdict = gate(Assignment("payments.prod:80", tuple(groups)))
    if isinstance(verdict, Refused):
        return
    published = verdict.assignment
    assert decode_assignment(text(1, published.cluster) + encode_body(published)) == published
    priorities = sorted({group.priority for group in published.localities})
    assert priorities == list(range(len(priorities)))


@given(st.lists(messy_groups, max_size=5))
def test_the_gate_changes_nothing_the_second_time(groups: list[LocalityEndpoints]) -> None:
    verdict = gate(Assignment("payments.prod:80", tuple(groups)))
    if isinstance(verdict, Passed):
        assert gate(verdict.assignment) == Passed(verdict.assignment)


@given(st.lists(messy_groups | tidy_groups, max_size=3))
def test_what_is_waved_through_would_not_have_been_changed(groups: list[LocalityEndpoints]) -> None:
    assignment = Assignment("payments.prod:80", tuple(groups))
    verdict = gate(assignment)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trimtab.control.gate._flawless", lambda _: False)
        assert gate(assignment) == verdict
