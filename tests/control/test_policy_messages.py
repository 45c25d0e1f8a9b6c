"""A policy is one schema, wherever it is written: the annotation, the config file, the TypedStruct of a cluster and code."""

from typing import Any

import pytest
import yaml
from google.protobuf import json_format

from trimtab.control.policies import Policies
from trimtab.control.policy_defaults import PolicyDefaults
from trimtab.errors import PolicyError
from trimtab.model import ConsistentHash, OutlierDetection, Policy, SuccessRate, WeightedRoundRobin
from trimtab.xds import messages
from trimtab.xds.cluster import decode_policy, encode_cluster
from trimtab.xds.dialect import Dialect

SERVICE = ("prod", "payments")
PARTS: dict[str, Any] = {
    "outlier_detection": OutlierDetection,
    "success_rate": SuccessRate,
    "consistent_hash": ConsistentHash,
    "weighted_round_robin": WeightedRoundRobin,
}
MISTAKES: list[dict[str, Any]] = [
    {"strategy": ""},
    {"strategy": 5.5},
    {"max_connections": 0},
    {"max_connections": "many"},
    {"max_connections": 1.5},
    {"max_connections": True},
    {"load": "latency"},
    {"zone": "stay"},
    {"slow_start_s": -0.5},
    {"slow_start_min": 1.5},
    {"outlier_detection": {"max_ejection_percent": 101}},
    {"success_rate": {"failures": "5xx"}},
    {"success_rate": {"failures": ["FAILED"]}},
    {"consistent_hash": {"bound": 0.5}},
    {"weighted_round_robin": {"update_s": 0.01}},
]
NOT_IN_CODE: list[dict[str, Any]] = [
    {"max_conections": 7},
    {"outlier_detection": "on"},
    {"outlier_detection": {"interval": 5}},
    {"consistent_hash": {"key": "tenant"}},
    {"cost": "tokens"},
]
"""There Python, or a type of its own, has the say."""


def by_code(fields: dict[str, Any]) -> str | None:
    try:
        Policy(**{name: PARTS[name](**value) if name in PARTS else value for name, value in fields.items()})
    except PolicyError as error:
        return str(error)
    return None


def by_annotation(fields: dict[str, Any]) -> str | None:
    policies = Policies(PolicyDefaults())
    policies.of(SERVICE, yaml.safe_dump(fields))
    return policies.problems.get(SERVICE)


def by_config_file(fields: dict[str, Any]) -> str | None:
    try:
        PolicyDefaults.parse(yaml.safe_dump({"policy": fields}))
    except PolicyError as error:
        return str(error)
    return None


def by_cluster(fields: dict[str, Any]) -> str | None:
    cluster = messages.Cluster(name="payments.prod:8080")
    cluster.MergeFromString(encode_cluster(Policy(), Dialect.GRPC, http2=True))
    own = cluster.load_balancing_policy.policies[0].typed_extension_config.typed_config
    struct = messages.TypedStruct()
    own.Unpack(struct)
    json_format.ParseDict(fields, struct.value)
    own.Pack(struct)
    _, found = decode_policy(cluster.SerializeToString())
    return str(found) if isinstance(found, PolicyError) else None


@pytest.mark.parametrize("fields", [*MISTAKES, *NOT_IN_CODE], ids=str)
def test_a_mistake_has_one_message(fields: dict[str, Any]) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.from_mapping(fields)
    message = str(caught.value)
    for said in (by_annotation(fields), by_config_file(fields), by_cluster(fields)):
        assert said is not None
        assert said.endswith(message)
    if fields in MISTAKES:
        assert by_code(fields) == message
