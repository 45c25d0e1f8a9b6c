from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.errors import PolicyError
from trimtab.model import ConsistentHash, OutlierDetection, Policy, Shards, Subset, SuccessRate, WeightedRoundRobin

policies = st.builds(
    Policy,
    strategy=st.sampled_from(["p2c", "random"]),
    max_connections=st.integers(1, 1000),
    connect_timeout_s=st.floats(0.1, 60),
    slow_start_s=st.floats(0, 600),
    zone=st.sampled_from(["prefer", "require", "off"]),
    zone_penalty=st.floats(0, 10),
    max_requests=st.none() | st.integers(1, 10_000),
    outlier_detection=st.none() | st.builds(OutlierDetection, max_ejection_percent=st.integers(0, 100)),
)


def test_the_default_is_power_of_two_choices_over_a_hundred_connections() -> None:
    assert Policy.from_mapping({}) == Policy(strategy="p2c", max_connections=100)


@given(policies)
def test_a_policy_survives_being_written_down(policy: Policy) -> None:
    assert Policy.from_mapping(policy.to_mapping()) == policy


def test_defaults_are_not_written_down() -> None:
    assert Policy(max_connections=7, outlier_detection=OutlierDetection()).to_mapping() == {
        "max_connections": 7,
        "outlier_detection": {},
    }


def test_off_is_a_word_though_yaml_takes_it_for_false() -> None:
    assert Policy.from_mapping({"zone": False}) == Policy.from_mapping({"zone": "off"}) == Policy(zone="off")


def test_whole_numbers_may_come_as_floats_and_the_other_way() -> None:
    assert Policy.from_mapping({"max_connections": 7.0, "slow_start_s": 30}) == Policy(
        max_connections=7, slow_start_s=30.0
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"strategy": ""}, "policy.strategy: expected the name of a strategy, got an empty string"),
        ({"max_connections": 0}, "policy.max_connections: expected a number at least 1, got 0"),
        ({"max_connections": "many"}, "policy.max_connections: expected an integer, got 'many'"),
        ({"max_connections": True}, "policy.max_connections: expected an integer, got True"),
        ({"max_connections": 1.5}, "policy.max_connections: expected an integer, got 1.5"),
        ({"max_conections": 7}, "policy.max_conections: there is no such field; did you mean max_connections?"),
        ({"slow_start_s": -1}, "policy.slow_start_s: expected a number between 0 and 86400, got -1.0"),
        ({"max_requests": 0}, "policy.max_requests: expected a number between 1 and 4294967295, got 0"),
        ({"outlier_detection": 5}, "policy.outlier_detection: expected a mapping of fields, got 5"),
        (
            {"outlier_detection": {"max_ejection_percent": 101}},
            "policy.outlier_detection.max_ejection_percent: expected a number between 0 and 100, got 101",
        ),
        (
            {"outlier_detection": {"max_ejection_time_s": 1}},
            "policy.outlier_detection.max_ejection_time_s: expected at least base_ejection_time_s",
        ),
        ([], "policy: expected a mapping of fields, got []"),
    ],
)
def test_a_mistake_is_named_with_its_field(fields: object, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.from_mapping(fields)
    assert str(caught.value) == message


def test_a_field_nobody_knows_is_answered_with_those_that_exist() -> None:
    with pytest.raises(PolicyError, match="there is no such field; known are strategy, max_connections"):
        Policy.from_mapping({"xyz": 1})


@pytest.mark.parametrize(
    ("made_by", "fields"),
    [
        (Policy, {"max_connections": "x"}),
        (Policy, {"max_connections": 2.5}),
        (Policy, {"max_connections": None}),
        (Policy, {"max_requests": True}),
        (Policy, {"slow_start_s": "10"}),
        (Policy, {"slow_start_s": True}),
        (Policy, {"load": None}),
        (Policy, {"load": "latency"}),
        (Policy, {"strategy": 5}),
        (Policy, {"strategy": ""}),
        (Policy, {"dns": 53}),
        (Policy, {"fallback": "payments-spare"}),
        (Policy, {"fallback": (5,)}),
        (Policy, {"fallback": None}),
    ],
    ids=str,
)
def test_code_is_told_what_a_mapping_is_told(made_by: Callable[..., Policy], fields: dict[str, Any]) -> None:
    with pytest.raises(PolicyError) as of_code:
        made_by(**fields)
    with pytest.raises(PolicyError) as of_mapping:
        Policy.from_mapping(fields)
    assert str(of_code.value) == str(of_mapping.value)


@pytest.mark.parametrize(
    ("part", "name", "fields"),
    [
        (SuccessRate, "success_rate", {"step": "0.2"}),
        (SuccessRate, "success_rate", {"failures": "5xx"}),
        (OutlierDetection, "outlier_detection", {"max_ejection_percent": 10.5}),
        (WeightedRoundRobin, "weighted_round_robin", {"update_s": None}),
        (ConsistentHash, "consistent_hash", {"metadata": 5}),
        (Shards, "shards", {"label": None}),
        (Shards, "shards", {"value": 7}),
        (Subset, "subset", {"above": 1.5}),
    ],
    ids=str,
)
def test_so_are_the_parts(part: Callable[..., object], name: str, fields: dict[str, Any]) -> None:
    with pytest.raises(PolicyError) as of_code:
        part(**fields)
    with pytest.raises(PolicyError) as of_mapping:
        Policy.from_mapping({name: fields})
    assert str(of_code.value) == str(of_mapping.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"success_rate": {"step": 0.2}},
            "policy.success_rate: expected trimtab.model.SuccessRate or None, got {'step': 0.2}",
        ),
        (
            {"success_rate": Subset()},
            f"policy.success_rate: expected trimtab.model.SuccessRate or None, got {Subset()!r}",
        ),
        ({"outlier_detection": 5}, "policy.outlier_detection: expected trimtab.model.OutlierDetection or None, got 5"),
        ({"subset": None}, "policy.subset: expected trimtab.model.Subset, got None"),
        ({"consistent_hash": None}, "policy.consistent_hash: expected trimtab.model.ConsistentHash, got None"),
        ({"cost": 5}, "policy.cost: expected something to call, or None, got 5"),
        ({"cost": len}, "policy.cost: nobody asks what calls weigh while policy.load is 'in_flight'; make it 'cost'"),
    ],
)
def test_what_only_code_can_give_has_its_type(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy(**fields)
    assert str(caught.value) == message


def test_code_may_write_what_a_mapping_may() -> None:
    loose: dict[str, Any] = {"zone": False, "max_connections": 7.0, "slow_start_s": 30, "fallback": ["payments-spare"]}
    policy = Policy(**loose)
    assert policy == Policy.from_mapping(loose)
    assert policy.zone == "off"
    assert (str(policy.max_connections), str(policy.slow_start_s)) == ("7", "30.0")
    assert policy.fallback == ("payments-spare",)


def test_code_may_give_a_strategy_of_its_own_and_what_is_called() -> None:
    class Mine:
        def __init__(self, *_: object) -> None: ...

        def picker(self, nodes: object) -> object:
            return nodes

    mine, key = Mine(), ConsistentHash(key=len)
    cases: list[tuple[str, Any]] = [("strategy", mine), ("strategy", Mine), ("cost", len), ("consistent_hash", key)]
    for name, value in cases:
        made: Any = Policy(load="cost", **{name: value})
        assert getattr(made, name) is value
