import pytest

from trimtab.control.policy_defaults import PolicyDefaults, merged
from trimtab.errors import PolicyError
from trimtab.model import OutlierDetection, Policy, SuccessRate

CONFIG = """
policy:
  slow_start_s: 30
  outlier_detection: {interval_s: 5, max_ejection_percent: 20}
namespaces:
  prod:
    policy:
      strategy: round_robin
      outlier_detection: {interval_s: 7}
  lab:
    policy: {success_rate: null}
"""
CONFLICT = """
policy: {outlier_detection: {base_ejection_time_s: 200}}
namespaces: {prod: {policy: {outlier_detection: {max_ejection_time_s: 100}}}}
"""


def test_a_namespace_goes_before_the_cluster_field_by_field() -> None:
    defaults = PolicyDefaults.parse(CONFIG)
    everywhere = OutlierDetection(interval_s=5.0, max_ejection_percent=20)
    assert defaults.policy("elsewhere") == Policy(slow_start_s=30.0, outlier_detection=everywhere)
    in_prod = OutlierDetection(interval_s=7.0, max_ejection_percent=20)
    assert defaults.policy("prod") == Policy("round_robin", slow_start_s=30.0, outlier_detection=in_prod)
    assert defaults.policy("lab") == Policy(slow_start_s=30.0, success_rate=None, outlier_detection=everywhere)


def test_a_list_is_one_value() -> None:
    general, special = {"success_rate": {"failures": ["5xx"], "step": 0.2}}, {"success_rate": {"failures": ["429"]}}
    policy = Policy.from_mapping(merged(general, special))
    assert policy.success_rate == SuccessRate(failures=("429",), step=0.2)


def test_what_turns_something_off_is_turned_on_again_by_its_fields() -> None:
    assert merged({"success_rate": None}, {"success_rate": {"step": 0.2}}) == {"success_rate": {"step": 0.2}}


@pytest.mark.parametrize("text", ["", "# nothing\n", "policy: {}\n", "namespaces: {}\n", "namespaces: {prod: {}}\n"])
def test_nothing_said_is_nothing_given(text: str) -> None:
    defaults = PolicyDefaults.parse(text)
    assert (dict(defaults.of("prod")), defaults.policy("prod")) == ({}, Policy())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("policy: [", "not YAML: "),
        ("- policy", "configuration: expected a mapping with policy and namespaces"),
        ("polici: {}", "polici: there is no such setting; known are policy, namespaces"),
        ("policy: p2c", "policy: expected a mapping of fields, got 'p2c'"),
        ("policy:", "policy: expected a mapping of fields, got None"),
        ("policy: {strategi: p2c}", "policy.strategi: there is no such field; did you mean strategy?"),
        ("namespaces: [prod]", "namespaces: expected a mapping by namespace"),
        ("namespaces: {prod: {strategy: p2c}}", "namespaces.prod.strategy: there is no such setting"),
        ("namespaces: {prod: {policy: 1}}", "namespaces.prod.policy: expected a mapping of fields"),
        (
            "namespaces: {prod: {policy: {max_connections: 0}}}",
            "namespaces.prod.policy.max_connections: expected a number at least 1",
        ),
        # Good by itself, and not over what the cluster says.
        (
            CONFLICT,
            "namespaces.prod.policy.outlier_detection.max_ejection_time_s: expected at least base_ejection_time_s",
        ),
    ],
)
def test_a_mistake_is_named(text: str, says: str) -> None:
    with pytest.raises(PolicyError) as caught:
        PolicyDefaults.parse(text)
    assert str(caught.value).startswith(says)
