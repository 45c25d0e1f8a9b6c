import pytest

from trimtab.control.policies import Policies
from trimtab.control.policy_defaults import PolicyDefaults
from trimtab.model import OutlierDetection, Policy

PAYMENTS = ("prod", "payments")


@pytest.fixture
def policies() -> Policies:
    return Policies(PolicyDefaults({"slow_start_s": 30, "max_connections": 50}, {"prod": {"max_connections": 60}}))


def test_the_annotation_goes_before_the_namespace_and_that_before_the_cluster(policies: Policies) -> None:
    assert policies.of(("lab", "payments"), None) == Policy(slow_start_s=30.0, max_connections=50)
    assert policies.of(PAYMENTS, None) == Policy(slow_start_s=30.0, max_connections=60)
    assert policies.of(PAYMENTS, "max_connections: 7") == Policy(slow_start_s=30.0, max_connections=7)
    assert policies.of(PAYMENTS, "slow_start_s: 0") == Policy(max_connections=60)


def test_the_last_good_annotation_follows_new_defaults(policies: Policies) -> None:
    policies.of(PAYMENTS, "max_connections: 7")
    assert policies.of(PAYMENTS, "max_connections: x") == Policy(slow_start_s=30.0, max_connections=7)
    policies.defaults = PolicyDefaults({"load": "peak_ewma"})
    assert policies.of(PAYMENTS, "max_connections: x") == Policy(load="peak_ewma", max_connections=7)
    assert list(policies.problems) == [PAYMENTS]
    assert policies.of(PAYMENTS, None) == Policy(load="peak_ewma")
    assert not policies.problems


def test_a_strategy_that_is_not_ours_is_used_and_noted(policies: Policies) -> None:
    assert policies.of(PAYMENTS, "strategy: round_robbin").strategy == "round_robbin"
    assert policies.notes[PAYMENTS] == (
        "service prod/payments: policy.strategy 'round_robbin' is not one of ours, did you mean round_robin? "
        "Clients that have no strategy of that name installed keep the policy they had"
    )
    policies.of(PAYMENTS, "strategy: nope")
    assert "is not one of ours (consistent_hash, least_request, p2c, " in policies.notes[PAYMENTS]
    # A mistake leaves the last good one in use, and with it the note.
    policies.of(PAYMENTS, "strategi: p2c")
    assert (list(policies.notes), list(policies.problems)) == ([PAYMENTS], [PAYMENTS])
    policies.of(PAYMENTS, "strategy: round_robin")
    assert not policies.notes
    policies.of(PAYMENTS, "strategy: nope")
    policies.forget(PAYMENTS)
    assert not policies.notes


def test_a_mistake_from_the_beginning_leaves_the_defaults(policies: Policies) -> None:
    assert policies.of(PAYMENTS, "[") == policies.of(("prod", "other"), None)


def test_defaults_that_an_annotation_does_not_go_with_leave_its_last_policy(policies: Policies) -> None:
    annotation = "outlier_detection: {max_ejection_time_s: 100}"
    good = policies.of(PAYMENTS, annotation)
    assert good.outlier_detection == OutlierDetection(max_ejection_time_s=100.0)
    policies.defaults = PolicyDefaults({"outlier_detection": {"base_ejection_time_s": 200}})
    assert policies.of(PAYMENTS, annotation) == good
    assert "max_ejection_time_s: expected at least base_ejection_time_s" in policies.problems[PAYMENTS]
